package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// digestOf tells a set of objects from others, wherever their files lie.
func digestOf(set *manifests.Set) (string, error) {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for _, object := range set.Objects {
		if err := encoder.Encode(object.Object); err != nil {
			return "", fmt.Errorf("compare the manifests: %w", err)
		}
		if secret, ok := object.Object.(*v1.Secret); ok {
			hashSecret(hash, secret)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// hashSecret adds the content of a secret, which its JSON does not show.
func hashSecret(to hash.Hash, secret *v1.Secret) {
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		fmt.Fprintf(to, "%q: %q\n", key, []byte(secret.Data[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(secret.StringData)) {
		fmt.Fprintf(to, "%q: %q\n", key, string(secret.StringData[key]))
	}
}

// digest is that of the manifests; most passes see the same.
func (n *Node) digest(set *manifests.Set) (string, error) {
	if n.last.digestOf == set && n.last.digest != "" {
		return n.last.digest, nil
	}
	digest, err := digestOf(set)
	if err != nil {
		return "", err
	}
	n.last.digestOf, n.last.digest = set, digest
	return digest, nil
}
