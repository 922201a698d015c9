package manifests

import (
	"maps"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// maxData is Kubernetes' bound on what a ConfigMap or Secret holds.
const maxData = 1 << 20

func (d *document) checkConfig(config *v1.Config) {
	size := 0
	for key, text := range config.Data {
		d.checkKey("data."+key, key)
		size += len(text)
	}
	for key, data := range config.BinaryData {
		d.checkKey("binaryData."+key, key)
		if _, twice := config.Data[key]; twice {
			d.errorf("binaryData."+key, "is in data already")
		}
		size += len(data)
	}
	if size > maxData {
		d.errorf("", "holds %d bytes, more than %d", size, maxData)
	}
}

func (d *document) checkSecret(secret *v1.Secret) {
	size := 0
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		d.checkKey("data."+key, key)
		size += len(secret.Data[key])
	}
	for _, key := range slices.Sorted(maps.Keys(secret.StringData)) {
		d.checkKey("stringData."+key, key)
		size += len(secret.StringData[key])
	}
	if size > maxData {
		d.errorf("", "holds %d bytes, more than %d", size, maxData)
	}
}
