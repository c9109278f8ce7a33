package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/route"
)

// asker asks questions on one stream and reads the answers from another.
type asker struct {
	ctx   context.Context
	talk  printer
	lines chan string // closed at the end of the answers
}

func newAsker(ctx context.Context, s *streams) *asker {
	a := &asker{ctx: ctx, talk: printer{w: s.err}, lines: make(chan string)}
	go func() { // apart, so that an interrupt does not wait for an answer
		defer close(a.lines)
		in := bufio.NewScanner(s.in)
		for in.Scan() {
			select {
			case a.lines <- strings.TrimSpace(in.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return a
}

// answer asks until what is said is valid. An empty answer is otherwise, which may be
// empty too when the question need not be answered.
func (a *asker) answer(question, otherwise string, mayBeEmpty bool, valid func(string) error) (string, error) {
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	for {
		if _, err := io.WriteString(a.talk.w, visible(question)+": "); err != nil {
			return "", failure(fmt.Errorf("asking: %w", err))
		}
		select {
		case <-a.ctx.Done():
			return "", fmt.Errorf("asking: %w", a.ctx.Err())
		case line, ok := <-a.lines:
			if !ok {
				a.talk.blank()
				return "", misuse(errors.New("the answers end before the questions")).hinting("answer them all, or give flags; nothing was written")
			}
			if line == "" {
				line = otherwise
			}
			if line == "" && mayBeEmpty {
				return "", nil
			}
			err := valid(line)
			if err == nil {
				return line, nil
			}
			a.talk.line(2, 0, "%s", err)
		}
	}
}

// fill asks for everything that is missing, and for what may be said besides.
func (d *draft) fill(a *asker) error {
	a.talk.line(0, 0, "%s: %s", d.kind.Name, d.kind.About)
	for i := range d.kind.Parties {
		if err := d.fillParties(a, &d.kind.Parties[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) fillParties(a *asker, kind *route.PartyKind) error {
	a.talk.blank()
	a.talk.line(0, 0, "%s: %s", kind.Name, kind.About)
	for n := 0; ; n++ {
		if n == len(d.parties[kind.Name]) {
			account, err := d.askAccount(a, kind, n)
			if account == "" || err != nil {
				return err
			}
			d.parties[kind.Name] = append(d.parties[kind.Name], draftParty{account: account})
		}
		if err := d.fillParty(a, kind, &d.parties[kind.Name][n]); err != nil {
			return err
		}
		if !kind.Many {
			return nil
		}
	}
}

// askAccount asks which account is the n-th party. Nothing means that there is none, or
// no further one.
func (d *draft) askAccount(a *asker, kind *route.PartyKind, n int) (string, error) {
	must := kind.Required && n == 0
	question := "  name of the account"
	switch {
	case n > 0:
		question = "  name of another account, or nothing"
	case !must:
		question += ", or nothing for none"
	}
	otherwise := ""
	if must {
		otherwise = kind.Name
	}
	return a.answer(question, otherwise, !must, validName)
}

func (d *draft) fillParty(a *asker, kind *route.PartyKind, p *draftParty) error {
	if err := d.fillAccount(a, p); err != nil {
		return err
	}
	var err error
	if kind.Key != "" && p.key == "" {
		question := "  its key, by ARN or alias/NAME"
		if kind.Key != needed {
			question += ", or nothing for none"
		}
		if p.key, err = a.answer(question, "", kind.Key != needed, validKey); err != nil {
			return err
		}
	}
	if kind.Actor == actorConsumer && p.consumer == "" {
		if p.consumer, err = a.answer("  it consumes as ("+strings.Join(consumerNames(), ", ")+")", "role", false, validConsumer); err != nil {
			return err
		}
	}
	if actorNeeded(kind, p) && p.actor == "" {
		p.actor, err = a.answer("  who acts there: a role by name or ARN, or user/NAME", "", false, validActor)
	}
	return err
}

// fillAccount asks for the number and Region of a party's account.
func (d *draft) fillAccount(a *asker, p *draftParty) error {
	at := d.find(p.account)
	if at == nil {
		id, err := a.answer("  number of the account "+p.account, "", false, validAccount)
		if err != nil {
			return err
		}
		d.accounts = append(d.accounts, draftAccount{name: p.account, id: id})
		at = d.find(p.account)
	}
	if at.region != "" || p.region != "" {
		return nil
	}
	var err error
	at.region, err = a.answer("  Region of the account "+p.account, "", false, validRegion)
	return err
}
