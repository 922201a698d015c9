package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/yaml"
)

// The folders of a manifest directory that do not apply everywhere.
const (
	labelsFolder = "labels"
	nodesFolder  = "nodes"
)

// layer is the part of a manifest directory that applies to the same nodes. The zero layer
// applies to all.
type layer struct {
	rank       int // labels come before nodes: what says more precisely who is meant wins
	key, value string
	hostname   string
}

const (
	rankEverywhere = iota
	rankLabel
	rankNode
)

// layerOf finds a file's layer by its name below the manifest directory:
//
//	labels/KEY=VALUE/…       nodes with that label; a key with a prefix has a folder for
//	                         it: labels/example.com/site=berlin/…
//	nodes/HOSTNAME/…         one node
//	anything else            all nodes, and base/ is only a custom
func layerOf(name string) (layer, error) {
	parts := strings.Split(name, "/")
	folders := parts[:len(parts)-1]
	switch {
	case parts[0] == nodesFolder && len(folders) < 2:
		return layer{}, fmt.Errorf("%s/ has a folder for each node: put the file into %s/HOSTNAME/", nodesFolder, nodesFolder)
	case parts[0] == nodesFolder:
		return layer{rank: rankNode, hostname: folders[1]}, nil
	case parts[0] == labelsFolder:
		return labelLayer(folders[1:])
	}
	return layer{}, nil
}

// labelLayer looks no deeper than the two parts that a label's key may have.
func labelLayer(folders []string) (layer, error) {
	for i := range min(len(folders), 2) {
		if key, value, ok := strings.Cut(folders[i], "="); ok {
			key = strings.Join(append(slices.Clone(folders[:i]), key), "/")
			return layer{rank: rankLabel, key: key, value: value}, nil
		}
	}
	return layer{}, fmt.Errorf("%s/ has a folder for each label: put the file into %s/KEY=VALUE/", labelsFolder, labelsFolder)
}

// String is the layer's folder.
func (l layer) String() string {
	switch l.rank {
	case rankLabel:
		return labelsFolder + "/" + l.key + "=" + l.value
	case rankNode:
		return nodesFolder + "/" + l.hostname
	default:
		return "the files for all nodes"
	}
}

func (l layer) appliesTo(node *Node) bool {
	switch l.rank {
	case rankLabel:
		value, ok := node.Labels[l.key]
		return ok && value == l.value
	case rankNode:
		return l.hostname == node.Hostname
	default:
		return true
	}
}

// compareLayers sorts what is merged later behind.
func compareLayers(a, b layer) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.String(), b.String()))
}

// layers are documents by layer.
type layers map[layer][]*yaml.Document

// views are the sets of documents to look at, each a list of layers from below: for a node
// the one that it gets; for no node in particular what applies everywhere, alone and under
// each other layer.
func (l layers) views(node *Node) [][]layer {
	above := slices.SortedFunc(func(yield func(layer) bool) {
		for each := range l {
			if each.rank != rankEverywhere && !yield(each) {
				return
			}
		}
	}, compareLayers)
	if node != nil {
		return [][]layer{append([]layer{{}}, above...)}
	}
	views := [][]layer{{{}}}
	for _, each := range above {
		views = append(views, []layer{{}, each})
	}
	return views
}
