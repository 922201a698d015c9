package resolve

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// noteInputs adds the inputs of an object to its workloads. It comes last: only then networks are known.
func (r *resolver) noteInputs(object object.Object, made resolution) resolution {
	var images []string
	for _, workloads := range []map[string]reconcile.Workload{made.workloads, made.spares} {
		for _, workload := range workloads {
			if workload.Bundle == nil {
				continue
			}
			for _, image := range workload.Bundle.Images() {
				images = append(images, image.ID)
			}
		}
	}
	slices.Sort(images)
	manifest := fieldsOf(object)
	made.words = wordsOf(manifest)
	inputs, noted := r.inputs(object, manifest, made.words, slices.Compact(images)), make(map[string]reconcile.Workload, len(made.workloads))
	for unit, workload := range made.workloads {
		workload.Inputs = inputs
		noted[unit], r.desired.Workloads[unit] = workload, workload
	}
	made.workloads = noted
	return made
}

// inputs identifies all inputs of an object's units, whatever the way of rendering: its manifest, its images, and the other
// objects and facts of the node that it names. The version of systemd is left out: units written for an older one work with a
// newer one.
func (r *resolver) inputs(object object.Object, manifest map[string]any, words, images []string) string {
	node, sum := r.in.Node, sha256.New()
	encode(sum, object.Ref(), r.kept[object.Ref()], images, manifest["spec"], node.Launcher, node.StorageRoot, node.Architecture, r.hostRoots())
	if node.Proxy != (Proxy{}) {
		encode(sum, node.Proxy)
	}
	shown := func(word string) bool {
		return strings.HasPrefix(word, "metadata.") || strings.HasPrefix(word, "spec.")
	}
	if slices.ContainsFunc(words, shown) { // by the downward API
		encode(sum, manifest["metadata"], node.Hostname)
	}
	for _, word := range words {
		for _, other := range r.byName[word] {
			r.encodeOther(sum, other)
		}
		r.encodeOwned(sum, word)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// encodeOwned adds a fact of the node under its name.
func (r *resolver) encodeOwned(sum hash.Hash, name string) {
	if conflist, ok := r.in.NodeNetworks[name]; ok {
		encode(sum, conflist)
	}
	if network, ok := r.desired.Networks[name]; ok {
		encode(sum, network.Subnets)
	}
	if program, ok := r.in.Node.Runtimes[name]; ok {
		encode(sum, program)
	}
	if device, ok := r.in.Node.CDI[name]; ok {
		encode(sum, device)
	}
	if profile, ok := r.in.Node.SeccompProfiles[name]; ok {
		encode(sum, profile)
	}
}

// encodeOther adds the content of an object for those that name it.
func (r *resolver) encodeOther(sum hash.Hash, object object.Object) {
	encode(sum, object.Ref())
	switch declared := object.Object.(type) {
	case *v1.Config:
		encode(sum, r.configs[declared.Metadata.Name])
	case *v1.Secret:
		encode(sum, r.secrets[declared.Metadata.Name])
	case *v1.Volume, *v1.Image, *v1.Network:
		encode(sum, fieldsOf(object)["spec"])
	default:
		l, _ := r.other(object.Ref())
		encode(sum, l.main())
	}
}

// fieldsOf is an object as the document that it was.
func fieldsOf(object object.Object) map[string]any {
	var fields map[string]any
	text, err := json.Marshal(object.Object)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		panic(fmt.Sprintf("%s was decoded and cannot be encoded: %v", object.Ref(), err))
	}
	return fields
}

// encode adds values to a sum. Maps are encoded in the order of their keys.
func encode(sum hash.Hash, values ...any) {
	encoder := json.NewEncoder(sum)
	for _, value := range values {
		if err := encoder.Encode(value); err != nil {
			panic(fmt.Sprintf("%T cannot be encoded: %v", value, err))
		}
	}
}

// wordsOf returns all strings of a document's specification, and the name of the network that it need not name. The names of the
// objects that it needs are among them. They are sorted.
func wordsOf(document map[string]any) []string {
	words := map[string]bool{defaultNetwork: true}
	collectStrings(document["spec"], words)
	return slices.Sorted(maps.Keys(words))
}

// collectStrings finds all strings in a decoded document.
func collectStrings(value any, into map[string]bool) {
	switch value := value.(type) {
	case string:
		into[value] = true
	case []any:
		for _, element := range value {
			collectStrings(element, into)
		}
	case map[string]any:
		for _, element := range value {
			collectStrings(element, into)
		}
	}
}
