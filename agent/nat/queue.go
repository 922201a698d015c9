package nat

import (
	"github.com/google/nftables"
)

// most bounds a transaction: the kernel has to take it, and to answer each of its parts, in the socket's buffers.
const (
	most    = 1000 // rules, and for each the elements of a map
	perRule = 100
)

// queue collects rules for one transaction, or for several where they are many.
type queue struct {
	conn *socket
	size int
}

// add queues a rule, and sends the queue if it is long enough.
func (q *queue) add(want rule) error {
	size := 1
	if n, ok := want.numbering(); ok {
		size += int(n.port.Count) / perRule
	}
	if q.size += size; q.size > most {
		if err := q.conn.Flush(); err != nil {
			return err
		}
		q.size = size
	}
	prepared, err := want.prepare(q.conn)
	if err == nil {
		q.conn.AddRule(prepared)
	}
	return err
}

// prepare queues the objects that the rule needs, and returns it for the kernel.
func (want rule) prepare(conn *socket) (*nftables.Rule, error) {
	if n, ok := want.numbering(); ok {
		if err := n.add(conn); err != nil {
			return nil, err
		}
	}
	return &nftables.Rule{Table: table, Chain: want.chain, Exprs: want.exprs, UserData: marked(want.comment)}, nil
}

func (want rule) numbering() (numbering, bool) {
	for _, e := range want.exprs {
		if n, ok := e.(numbering); ok {
			return n, true
		}
	}
	return numbering{}, false
}
