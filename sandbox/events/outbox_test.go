package events

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// started is EventBridge with a rule for everything of "mine".
func started(t *testing.T) (*Service, *state.DB) {
	t.Helper()
	db, err := state.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{DB: db, Clock: &state.Clock{}, IDs: state.NewIDs(1), Agenda: state.NewAgenda(db)})
	t.Cleanup(s.Close)
	err = db.Update(func() error {
		r := &Rule{
			Account: "111122223333", Region: "us-east-1", Bus: defaultBus, Name: "r", State: types.RuleStateEnabled, Pattern: new(`{"source":["mine"]}`),
			Targets: []types.Target{{Id: new("t"), Arn: new("arn:aws:sqs:us-east-1:111122223333:q")}},
		}
		s.rules.Put(r.row(), r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

func emitted(n string) gate.Event {
	return gate.Event{Account: "111122223333", Region: "us-east-1", Source: "mine", DetailType: n, Detail: map[string]string{}}
}

func TestWhatAnUpdateThatIsTakenBackEmittedIsNotDelivered(t *testing.T) {
	t.Parallel()
	s, db := started(t)
	got := make(chan string, 10)
	defer s.Subscribe(func(d Delivery) { got <- d.Event.DetailType })()
	_ = db.Update(func() error {
		s.Emit(emitted("taken back"))
		return errors.New("no")
	})
	err := db.Update(func() error {
		s.Emit(emitted("kept 1"))
		_ = db.Try(func() error {
			s.Emit(emitted("taken back in part"))
			return errors.New("no")
		})
		s.Emit(emitted("kept 2"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kept 1", "kept 2"} {
		select {
		case is := <-got:
			if is != want {
				t.Errorf("%q was delivered, want %q", is, want)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing was delivered")
		}
	}
}

func TestNobodyListensWhenNoRuleIsOn(t *testing.T) {
	t.Parallel()
	s, db := started(t)
	if !s.Listens("111122223333", "us-east-1") || s.Listens("111122223333", "eu-west-1") || s.Listens("444455556666", "us-east-1") {
		t.Error("the one rule is not noted")
	}
	_ = db.Update(func() error {
		for row, r := range s.rules.All("") {
			off := *r
			off.State = types.RuleStateDisabled
			s.rules.Put(row, &off)
		}
		return nil
	})
	if s.Listens("111122223333", "us-east-1") {
		t.Error("a rule that is off is noted")
	}
}

func TestTheClientOfDeliveriesReachesNobodyElsewhere(t *testing.T) {
	t.Parallel()
	client := loopback()
	for _, url := range []string{"http://192.0.2.1/", "http://[2001:db8::1]/", "http://0.0.0.0:1/"} {
		res, err := client.Get(url)
		if err == nil {
			_ = res.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "loopback addresses only") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
