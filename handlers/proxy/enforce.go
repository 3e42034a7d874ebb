package proxy

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"

	"usher/handlers/edge"
	"usher/handlers/exchange"
)

// MaxHeld is how large a body may be where both sides are held back until they are
// judged, in bytes. Larger ones are refused.
const MaxHeld = 1 << 20

// refusal is why an answer is not passed on.
type refusal struct{ violation exchange.Violation }

func (r *refusal) Error() string {
	return fmt.Sprintf("the target's answer breaks the contract: %s: %s", r.violation.Path, r.violation.Rule)
}

// enforce passes a request on if it keeps to the contract, and answers it in the
// vendor's place if not. A request that breaks the contract where the vendor's own
// server would let it pass is passed, and reported.
func (p *Proxy) enforce(x *passing, r *http.Request) {
	held, err := io.ReadAll(io.LimitReader(r.Body, MaxHeld+1))
	check := r.Clone(r.Context())
	check.Body = io.NopCloser(&rereader{held: bytes.NewReader(held), err: err})
	x.sent.add(held, cmp.Or(err, io.EOF))
	if p.options.Checker.Refuse(x, check) {
		x.refused = exchange.Request
		return
	}
	// The checker has not looked at a body where the contract has none.
	switch {
	case err != nil:
		err = &edge.BodyError{Fault: edge.BodyUnread, Err: err}
	case len(held) > MaxHeld:
		err = &edge.BodyError{Fault: edge.BodyTooLarge, Limit: MaxHeld}
	}
	if err != nil {
		x.refused = exchange.Request
		p.options.Checker.Fail(x, r, err)
		return
	}
	if len(held) > 0 || r.ContentLength > 0 {
		r.Body = io.NopCloser(bytes.NewReader(held))
	}
	p.reverse.ServeHTTP(x, r)
}

// rereader reads what was read before, with the error that it ended in.
type rereader struct {
	held *bytes.Reader
	err  error
}

func (r *rereader) Read(b []byte) (int, error) {
	n, err := r.held.Read(b)
	if n == 0 && err == io.EOF && r.err != nil {
		return 0, r.err
	}
	return n, err
}

// hold reads an answer's body and refuses what breaks the contract, a connection that
// the contract does not have the target switch to included. ReverseProxy closes the
// body of what is refused.
func (p *Proxy) hold(x *passing, response *http.Response) error {
	x.got.truncated = true
	// What is refused is not read to its end, which a stream does not have.
	if broken := p.broken(x); broken != nil { // by its status and headers
		return &refusal{*broken}
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxHeld+1))
	if err != nil {
		return err
	}
	if len(body) > MaxHeld {
		return &refusal{exchange.Violation{Path: "body", Rule: fmt.Sprintf("it is larger than the %d bytes that are held back", MaxHeld)}}
	}
	x.got = copied{body: body, ended: true}
	if broken := p.broken(x); broken != nil {
		return &refusal{*broken}
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// broken is what an answer does to the contract; nil: nothing.
func (p *Proxy) broken(x *passing) *exchange.Violation {
	e, _ := x.exchange()
	p.options.Contract.Check(&e)
	for i, v := range e.Violations {
		if v.In == exchange.Answer {
			return &e.Violations[i]
		}
	}
	return nil
}

// refuse answers in the vendor's words for an answer that is not passed on. The
// exchange keeps the answer that came.
func (p *Proxy) refuse(x *passing, why *refusal) {
	x.refused = exchange.Answer
	p.options.Checker.Fail(x, x.request, why)
}
