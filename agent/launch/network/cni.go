package network

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/davit-project/davit/units/bundle"
)

// cniTimeout bounds one ADD or DEL of one network, well below the unit's own timeout so
// that the error names the network.
const cniTimeout = 20 * time.Second

// pluginDirs are where CNI plugins are looked for: the node owner's, then those that
// came with davit, beside the launcher.
func pluginDirs() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find davit's CNI plugins: %w", err)
	}
	return []string{bundle.UserPluginDir, filepath.Join(filepath.Dir(self), "cni")}, nil
}

// attachCNI has the network's CNI plugins add the container.
func attachCNI(ctx context.Context, b *bundle.Bundle, index int, netns string) ([]string, error) {
	list, err := libcni.NetworkConfFromBytes(b.Network.Attachments[index].Conflist)
	if err != nil {
		return nil, err
	}
	cni, err := newCNI()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cniTimeout)
	defer cancel()
	added, err := cni.AddNetworkList(ctx, list, runtimeConf(b, index, netns))
	if err != nil {
		return nil, err
	}
	return addressesOf(added)
}

func detachCNI(ctx context.Context, b *bundle.Bundle, index int, attachment bundle.Attachment) error {
	list, err := libcni.NetworkConfFromBytes(attachment.Conflist)
	if err != nil {
		return err
	}
	cni, err := newCNI()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cniTimeout)
	defer cancel()
	return cni.DelNetworkList(ctx, list, runtimeConf(b, index, ""))
}

func newCNI() (*libcni.CNIConfig, error) {
	dirs, err := pluginDirs()
	if err != nil {
		return nil, err
	}
	return libcni.NewCNIConfigWithCacheDir(dirs, bundle.CNICacheDir, newPluginExec()), nil
}

// runtimeConf returns the runtime configuration of one attachment for the plugins.
func runtimeConf(b *bundle.Bundle, index int, netns string) *libcni.RuntimeConf {
	conf := &libcni.RuntimeConf{ContainerID: bundle.RuntimeID(b.ID), NetNS: netns, IfName: interfaceName(index)}
	conf.CapabilityArgs = map[string]any{}
	if index == 0 && len(b.Network.Ports) > 0 {
		conf.CapabilityArgs["portMappings"] = bundle.Split(b.Network.Ports)
	}
	if attachment := b.Network.Attachments[index]; len(attachment.Addresses) > 0 {
		conf.CapabilityArgs["ips"] = attachment.Addresses
	}
	if mac := b.Network.Attachments[index].MAC; mac != "" {
		conf.CapabilityArgs["mac"] = mac
	}
	return conf
}

func addressesOf(added types.Result) ([]string, error) {
	result, err := current.NewResultFromResult(added)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, ip := range result.IPs {
		addresses = append(addresses, ip.Address.IP.String())
	}
	return addresses, nil
}
