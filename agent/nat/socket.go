package nat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nlenc"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
)

// bufferSize is room for the answers to each rule of a transaction. The kernel takes memory for queued answers only.
const bufferSize = 16 << 20

// socket is a connection to nftables.
type socket struct {
	*nftables.Conn
	netlink *netlink.Conn
}

func open() (*socket, error) {
	var s socket
	keep := func(connection *netlink.Conn) error {
		s.netlink = connection
		return errors.Join(connection.SetReadBuffer(bufferSize), connection.SetWriteBuffer(bufferSize))
	}
	var err error
	s.Conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(keep))
	return &s, err
}

// present is a rule that the kernel has.
type present struct {
	handle  uint64
	comment string
}

// owner is the network or the container that the rule is for.
func (p present) owner() string {
	owner, _, _ := strings.Cut(p.comment, " ")
	return owner
}

// rulesIn lists the rules of a chain; none if the chain does not exist. It does not read their expressions, which takes three
// times as long.
func (s *socket) rulesIn(chain *nftables.Chain) ([]present, error) {
	selected, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_RULE_TABLE, Data: nlenc.Bytes(table.Name)}, {Type: unix.NFTA_RULE_CHAIN, Data: nlenc.Bytes(chain.Name)},
	})
	if err != nil {
		return nil, err
	}
	answers, err := s.netlink.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE, Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{byte(table.Family), unix.NFNETLINK_V0, 0, 0}, selected...), // struct nfgenmsg
	})
	if err != nil {
		return nil, fmt.Errorf("list the rules of %s: %w", chain.Name, err)
	}
	rules := make([]present, len(answers))
	for i, answer := range answers {
		if rules[i], err = decodeRule(answer.Data); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// decodeRule decodes a message about a rule, after its struct nfgenmsg.
func decodeRule(message []byte) (rule present, err error) {
	const header = 4
	attributes, err := netlink.NewAttributeDecoder(message[min(header, len(message)):])
	if err != nil {
		return present{}, err
	}
	attributes.ByteOrder = binary.BigEndian
	for attributes.Next() {
		switch attributes.Type() {
		case unix.NFTA_RULE_HANDLE:
			rule.handle = attributes.Uint64()
		case unix.NFTA_RULE_USERDATA:
			rule.comment, _ = userdata.GetString(attributes.Bytes(), userdata.TypeComment)
		}
	}
	return rule, attributes.Err()
}

// commentsIn are the comments of a chain's rules.
func (s *socket) commentsIn(chain *nftables.Chain) (map[string]bool, error) {
	rules, err := s.rulesIn(chain)
	if err != nil {
		return nil, err
	}
	comments := map[string]bool{}
	for _, rule := range rules {
		comments[rule.comment] = true
	}
	return comments, nil
}

// chains are the names of those that davit's table has.
func (s *socket) chains() (map[string]bool, error) {
	all, err := s.ListChainsOfTableFamily(table.Family)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, chain := range all {
		if chain.Table.Name == table.Name {
			names[chain.Name] = true
		}
	}
	return names, nil
}

// transaction changes rules at once, under the lock that keeps other processes of davit from changing rules. It sends nothing
// if change reports that there is nothing to send.
func transaction(change func(*socket) (bool, error)) error {
	finish, err := begin(change)
	return errors.Join(err, finish())
}

// begin is [transaction] for those who do something else before they finish: the rules have changed when it
// returns. Where rules were removed the end takes some 10 ms: the close of the socket waits until the kernel
// has disposed of them (nft_rcv_nl_event in Linux' nf_tables_api.c). finish is never nil.
func begin(change func(*socket) (bool, error)) (finish func() error, err error) {
	unlock, err := disk.Lock(natLock, unix.LOCK_EX)
	if err != nil {
		return func() error { return nil }, err
	}
	conn, err := open() // one socket for all
	if err != nil {
		unlock()
		return func() error { return nil }, err
	}
	changed, err := change(conn)
	if err == nil && changed {
		err = conn.Flush()
	}
	return func() error {
		defer unlock()
		return conn.CloseLasting()
	}, err
}

// marked is a rule's comment, as nft shows it.
func marked(comment string) []byte {
	return userdata.AppendString(nil, userdata.TypeComment, comment)
}
