package program

// Environment is the whole environment of a program of the node that the launcher runs: a fixed PATH, in which CNI
// plugins find iptables and nft. The unit's environment has variables that a manifest has set.
func Environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
}
