package check

import (
	"maps"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// maxData is Kubernetes' bound on what a ConfigMap or Secret holds.
const maxData = 1 << 20

func checkConfig(s *Subject, config *v1.Config) {
	size := 0
	for key, text := range config.Data {
		checkKey(s, "data."+key, key)
		size += len(text)
	}
	for key, data := range config.BinaryData {
		checkKey(s, "binaryData."+key, key)
		if _, twice := config.Data[key]; twice {
			s.errorf("binaryData."+key, "is in data already")
		}
		size += len(data)
	}
	if size > maxData {
		s.errorf("", "holds %d bytes, more than %d", size, maxData)
	}
}

func checkSecret(s *Subject, secret *v1.Secret) {
	size := 0
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		checkKey(s, "data."+key, key)
		size += len(secret.Data[key])
	}
	for _, key := range slices.Sorted(maps.Keys(secret.StringData)) {
		checkKey(s, "stringData."+key, key)
		size += len(secret.StringData[key])
	}
	if size > maxData {
		s.errorf("", "holds %d bytes, more than %d", size, maxData)
	}
}
