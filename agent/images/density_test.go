package images

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// zstdBlock is a block that repeats a byte, or one of this content.
func zstdBlock(repeat int, content []byte, last bool) []byte {
	header := uint32(len(content)) << 3
	if content == nil {
		header, content = uint32(repeat)<<3|1<<1, []byte{0}
	}
	if last {
		header |= 1
	}
	return append(binary.LittleEndian.AppendUint32(nil, header)[:3], content...)
}

// zstdZeros is a layer of content, and of so many zeros in blocks of a size.
func zstdZeros(content []byte, zeros int64, block int) []byte {
	packed := append([]byte("\x28\xb5\x2f\xfd\x00\x38"), zstdBlock(0, content, false)...)
	for range zeros / int64(block) {
		packed = append(packed, zstdBlock(block, nil, false)...)
	}
	return append(packed, zstdBlock(0, []byte{}, true)...)
}

// zstdPacked is content, packed by the library's own packer.
func zstdPacked(t *testing.T, content io.Reader) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer, err := zstd.NewWriter(&packed)
	if err == nil {
		_, err = io.Copy(writer, content)
	}
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestWhatALayerBecomesAtMost(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{})
	small, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var manySmall []byte
	for range 20000 {
		manySmall = small.EncodeAll([]byte("a small file, as zstd:chunked has them"), manySmall)
	}
	for name, test := range map[string]struct {
		layer       []byte
		least, most int64
		refused     error
	}{
		"nothing":                     {nil, 0, 0, nil},
		"gzip":                        {[]byte("\x1f\x8b\x08 and so on"), 0, 0, nil},
		"a tar archive":               {make([]byte, 10240), 0, 0, nil},
		"bzip2":                       {[]byte("BZh91AY&SY"), 0, 0, errTooLarge},
		"xz":                          {[]byte("\xfd7zXZ\x00"), 0, 0, errTooLarge},
		"a few zeros":                 {zstdZeros([]byte("archive"), 1<<20, zstdMaxBlock), 1<<20 + 7, 1<<20 + 7, nil},
		"many zeros":                  {zstdZeros([]byte("archive"), 1<<40, zstdMaxBlock), denseStart, 2 * denseStart, errDense},
		"what does not compress":      {zstdPacked(t, io.LimitReader(random, 8<<20)), 8 << 20, 9 << 20, nil},
		"what does":                   {zstdPacked(t, io.LimitReader(zeros{}, 8<<20)), 8 << 20, 9 << 20, nil},
		"many zeros, packed well":     {zstdPacked(t, io.LimitReader(zeros{}, 4<<30)), denseStart, 2 * denseStart, errDense},
		"many small frames":           {manySmall, 20000 * 38, 20000 * 38, nil},
		"what is skipped":             {append([]byte("\x5a\x2a\x4d\x18\x04\x00\x00\x00abcd"), zstdZeros([]byte("x"), 1<<20, zstdMaxBlock)...), 1<<20 + 1, 1<<20 + 1, nil},
		"a frame that ends too early": {zstdZeros([]byte("archive"), 1<<20, zstdMaxBlock)[:40], 1, 1 << 20, nil},
	} {
		// Bytes arrive in parts, of which headers know nothing.
		layer, err := density{}, error(nil)
		for arrived := int64(0); arrived <= int64(len(test.layer)) && err == nil; arrived += 1 + int64(len(test.layer))/57 {
			err = layer.read(io.NewSectionReader(bytes.NewReader(test.layer), 0, arrived))
		}
		if err == nil {
			err = layer.read(bytes.NewReader(test.layer))
		}
		if !errors.Is(err, test.refused) {
			t.Errorf("%s: %v, want %v", name, err, test.refused)
		}
		if most := layer.most(); most < test.least || most > test.most {
			t.Errorf("%s becomes %d at most, want %d to %d", name, most, test.least, test.most)
		}
	}
}

// fault: a layer of a few bytes unpacks to zeros for hours, which fill no disk | the pull ends with the bytes that the unpacker has read by then
//
// The blocks here are smaller than they may be: the library reads a MiB ahead, and unpacks that to its end.
func TestALayerThatUnpacksForHoursEndsThePull(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	packed := zstdZeros(make([]byte, 10240), 8<<30, 8<<10)
	oci := mutate.ConfigMediaType(mutate.MediaType(newImage(t, "amd64", 0), types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(oci, static.NewLayer(packed, types.OCILayerZStd))
	if err != nil {
		t.Fatal(err)
	}
	hostile := resolve(t, s, always(registry.push(t, "zeros:1", image)))
	wantError(t, s.EnsureImage(t.Context(), hostile, nil), "unpacks to more than 1100 times its size")
	if left, err := filepath.Glob(filepath.Join(s.temporaryDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("left where layers are fetched to: %v, %v", left, err)
	}
}

// BenchmarkDensity reads the headers of a layer that does not compress.
func BenchmarkDensity(b *testing.B) {
	path := filepath.Join(b.TempDir(), "layer")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	writer, err := zstd.NewWriter(file)
	if err == nil {
		_, err = io.Copy(writer, io.LimitReader(rand.NewChaCha8([32]byte{}), 64<<20))
	}
	if err := errors.Join(err, writer.Close()); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(64 << 20)
	for b.Loop() {
		if err := new(density).read(file); err != nil {
			b.Fatal(err)
		}
	}
}
