package images

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// A layer that a few bytes unpack to for hours keeps a processor busy without ever filling the disk: zeros after the end of an
// archive are read, and thrown away. gzip makes at most 1032 bytes of one. zstd has no such bound, but says in a few bytes
// before each block how much it may become (RFC 8878, 3.1.1.2), which can be read while the layer arrives. The library
// unpacks two more formats, which no registry's layers have.

const (
	// densest is the most bytes that a byte of a layer may become, beyond denseStart. Any gzip stream passes.
	densest    = 1100
	denseStart = 1 << 30

	zstdFrame    = 0xfd2fb528
	zstdSkipped  = 0x184d2a50 // to …5f
	zstdMaxBlock = 128 << 10
)

var errDense = fmt.Errorf("%w: it unpacks to more than %d times its size", errTooLarge, densest)

// densities are those of the layers that arrive in a directory.
type densities struct {
	dir    string
	layers map[string]*density
}

// check looks at the bytes that have arrived since the last time.
func (d *densities) check() error {
	return filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		layer, ok := d.layers[path]
		if !ok {
			layer = &density{}
			d.layers[path] = layer
		}
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer file.Close()
		return layer.read(file)
	})
}

// density is the number of bytes read of a layer, and a bound of their unpacked size.
type density struct {
	at, unpacked int64
	// other is set for a layer of another format, inFrame between a frame's header and its last block.
	other, inFrame bool
	frame          frame
}

// frame is the content size of a frame's header, and a bound of the size of its blocks so far.
type frame struct {
	unpacked, block int64 // block is the most that one becomes
	content         int64 // -1 if the header does not say
	checksum        bool
}

// most returns an upper bound, in bytes, of the unpacked size of the part of the layer that was read.
func (d *density) most() int64 {
	if d.frame.content >= 0 {
		return d.unpacked + min(d.frame.unpacked, d.frame.content)
	}
	return d.unpacked + d.frame.unpacked
}

// read reads on, to the end of the bytes that have arrived.
func (d *density) read(from io.ReaderAt) error {
	var window [4096]byte
	for !d.other {
		n, err := from.ReadAt(window[:], d.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		used, err := d.parse(window[:n])
		d.at += used
		if err != nil || used == 0 {
			return err
		}
		if d.most() > denseStart+densest*d.at {
			return errDense
		}
	}
	return nil
}

// parse reads headers, and returns how many bytes it is to the first that is not there as a whole.
func (d *density) parse(text []byte) (used int64, err error) {
	for !d.other && used < int64(len(text)) {
		length, err := d.header(text[used:])
		if length == 0 || err != nil {
			return used, err
		}
		used += length
	}
	return used, nil
}

// header reads one header, and returns the length of it and of its frame or block; 0 if it has not arrived as a whole.
func (d *density) header(text []byte) (int64, error) {
	switch {
	case d.inFrame:
		return d.block(text), nil
	case len(text) < 4:
		return 0, nil
	}
	switch magic := binary.LittleEndian.Uint32(text); {
	case magic == zstdFrame:
		return d.begin(text), nil
	case magic&^0xf == zstdSkipped:
		if len(text) < 8 {
			return 0, nil
		}
		return 8 + int64(binary.LittleEndian.Uint32(text[4:])), nil
	case strings.HasPrefix(string(text), "BZh"), strings.HasPrefix(string(text), "\xfd7zX"):
		return 0, fmt.Errorf("%w: it is compressed by bzip2 or xz: a layer is compressed by gzip or zstd", errTooLarge)
	}
	d.other = true
	return 0, nil
}

// begin reads a frame's header (RFC 8878, 3.1.1.1).
func (d *density) begin(text []byte) int64 {
	if len(text) < 5 {
		return 0
	}
	descriptor := text[4]
	single := descriptor>>5&1 == 1
	at := 5
	if !single {
		at++ // the window
	}
	content := at + []int{0, 1, 2, 4}[descriptor&3]
	size := []int{0, 2, 4, 8}[descriptor>>6]
	if single && size == 0 {
		size = 1
	}
	if len(text) < content+size {
		return 0
	}
	d.unpacked = d.most()
	d.inFrame, d.frame = true, frame{content: contentSize(text[content : content+size]), checksum: descriptor>>2&1 == 1}
	window := d.frame.content
	if !single {
		base := int64(1) << (10 + text[5]>>3)
		window = base + base/8*int64(text[5]&7)
	}
	d.frame.block = min(window, zstdMaxBlock)
	return int64(content + size)
}

// contentSize reads the size of a frame's content; -1 for none.
func contentSize(field []byte) int64 {
	switch len(field) {
	case 1:
		return int64(field[0])
	case 2:
		return int64(binary.LittleEndian.Uint16(field)) + 256
	case 4:
		return int64(binary.LittleEndian.Uint32(field))
	case 8:
		return int64(min(binary.LittleEndian.Uint64(field), math.MaxInt64))
	}
	return -1
}

// block reads a block's header.
func (d *density) block(text []byte) int64 {
	if len(text) < 3 {
		return 0
	}
	header := int64(text[0]) | int64(text[1])<<8 | int64(text[2])<<16
	size, length := header>>3, int64(3)
	switch header >> 1 & 3 {
	case 0: // as it is
		length += size
		d.frame.unpacked += size
	case 1: // one byte, repeated
		length++
		d.frame.unpacked += size
	default:
		length += size
		d.frame.unpacked += d.frame.block
	}
	if header&1 == 1 {
		d.inFrame = false
		if d.frame.checksum {
			length += 4
		}
	}
	return length
}
