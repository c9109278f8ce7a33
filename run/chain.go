package run

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// Move is one piece of work of a route run.
type Move struct {
	// Steps are the names of the route's steps that are done with it; none for what comes
	// before the route begins, such as the first snapshot.
	Steps []string `json:"steps,omitempty"`
	// For is what the file calls the party, where many take the step.
	For  string     `json:"for,omitempty"`
	Task cloud.Task `json:"task"`
	// After is the moves that have to be done before, by their position.
	After []int `json:"after,omitempty"`
	// Source is the move whose result this one works on, counted from 1; 0 for none.
	Source int `json:"source,omitempty"`
	// Arg takes the result as an argument in place of the source.
	Arg string `json:"arg,omitempty"`
	// Watch is set for what AWS does by itself.
	Watch bool `json:"watch,omitempty"`
	// Passing is removed when the run has succeeded: shares, copies on the way, and in a
	// drill what was started to prove that it starts.
	Passing bool `json:"passing,omitempty"`
}

// What is the move in words.
func (m *Move) What() string {
	text := m.Task.Operation
	if len(m.Steps) > 0 {
		text = strings.Join(m.Steps, ", ")
	}
	if m.For != "" {
		text += " " + m.For
	}
	return text
}

// Work says what a route run is to do.
type Work struct {
	// From is the id or ARN of the data: a database, its snapshot, a volume, an image, a
	// recovery point, a source server. Several are parted by commas.
	From string
	// Drill performs the last steps too: restore, launch, recover; and ends what it
	// started.
	Drill bool
	// Restore performs the last steps and leaves what it started.
	Restore bool
	// Args are for the operations that need more: bucket, iamRoleArn, instance, and what
	// AWS calls its members.
	Args map[string]string
	// Name begins the names of everything that the run makes.
	Name string
	Tags map[string]string
	At   time.Time
}

func (w *Work) toTheEnd() bool { return w.Drill || w.Restore }

// ErrNoSource is returned for work that does not say which data it is about.
var ErrNoSource = errors.New("it does not say which data is meant")

// NoArgError says that work lacks an argument.
type NoArgError struct{ Name, About string }

func (e *NoArgError) Error() string { return "it lacks " + e.Name + ": " + e.About }

// chain builds the moves of one route.
type chain struct {
	route route.Route
	proof route.Proof
	e     *estate.Estate
	w     Work
	moves []Move
}

// Moves returns the work of a route in its order.
func Moves(r *route.Route, e *estate.Estate, w Work) ([]Move, error) {
	on := r.On(e)
	proof, err := route.Prove(&on, e, w.At)
	if err != nil {
		return nil, err
	}
	c := &chain{route: on, proof: proof, e: e, w: w}
	if err := c.build(); err != nil {
		return nil, fmt.Errorf("preparing the route %s: %w", r.Name, err)
	}
	return c.moves, nil
}

func (c *chain) build() error {
	switch c.route.Kind.Name {
	case "rds":
		return c.database("rds:CreateDBSnapshot", ":snapshot:")
	case "aurora":
		return c.database("rds:CreateDBClusterSnapshot", ":cluster-snapshot:")
	case "ebs":
		return c.snapshots()
	case "ami":
		return c.images()
	case "vault":
		return c.points()
	case "drs":
		return c.servers()
	case "drs-failback":
		return c.failback()
	case "backup":
		return c.objects()
	case "envelope":
		return c.envelopes()
	case "secret":
		return c.secrets()
	case "s3-replication":
		return c.replication()
	}
	return fmt.Errorf("nobody wrote how a route of kind %s is performed", c.route.Kind.Name)
}

// steps are the route's steps of a name.
func (c *chain) steps(name string) []*route.StepProof {
	var list []*route.StepProof
	for i := range c.proof.Steps {
		if s := &c.proof.Steps[i]; s.Name == name {
			list = append(list, s)
		}
	}
	return list
}

func (c *chain) party(name string) *route.Party {
	if ps := c.route.Parties[name]; len(ps) > 0 {
		return &ps[0]
	}
	return nil
}

// task is the task of a step. Its name says the run, the step and the party.
func (c *chain) task(s *route.StepProof, n int) cloud.Task {
	name := c.w.Name + "-" + s.Name
	if n > 0 {
		name += fmt.Sprintf("-%d", n)
	}
	return cloud.Task{
		Step: s.Name, Operation: s.Operation, Scenario: s.Scenario, Account: s.Account, Region: s.Region, Actor: s.Actor,
		Name: name, Args: maps.Clone(c.w.Args), Tags: maps.Clone(c.w.Tags),
	}
}

// add appends a move and returns its position, counted from 1.
func (c *chain) add(m Move) int {
	c.moves = append(c.moves, m)
	return len(c.moves)
}

// after is the moves before a position, as Move.After has them.
func after(moves ...int) []int {
	var list []int
	for _, m := range moves {
		if m > 0 {
			list = append(list, m-1)
		}
	}
	return list
}

func lastPart(id string) string { return id[strings.LastIndexAny(id, ":/")+1:] }

// database is the chain of RDS and Aurora: snapshot, copy under a key that can be shared,
// share, copy in the target under its own key, restore.
func (c *chain) database(take, snapshotPart string) error {
	source, target := c.party("source"), c.party("target")
	prepare, share, copied, restore := c.steps("prepare")[0], c.steps("share")[0], c.steps("copy")[0], c.steps("restore")[0]
	from := c.w.From
	if from == "" {
		return fmt.Errorf("%w: the database, or a snapshot of it", ErrNoSource)
	}
	first := 0
	if !c.isSnapshot(from, snapshotPart) {
		t := c.task(prepare, 0)
		t.Step, t.Operation, t.Scenario, t.Name, t.Source = "", take, "", c.w.Name+"-snapshot", lastPart(from)
		first = c.add(Move{Task: t, Passing: true})
	}
	ready := first
	if key := c.keyOf(from, source); first > 0 || key != source.Key {
		t := c.task(prepare, 0)
		t.Source, t.Key = from, source.Key
		ready = c.add(Move{Steps: []string{"prepare"}, Task: t, Source: first, After: after(first), Passing: true})
	}
	t := c.task(share, 0)
	t.Source, t.With = from, []string{target.Account}
	shared := ready
	if source.Account != target.Account {
		shared = c.add(Move{Steps: []string{"share"}, Task: t, Source: ready, After: after(ready), Passing: true})
	}
	t = c.task(copied, 0)
	t.Source, t.Key, t.SourceAccount, t.SourceRegion = from, target.Key, source.Account, source.Region
	if t.Source != "" && ready == 0 && !strings.HasPrefix(t.Source, "arn:") {
		t.Source = "arn:" + awsfacts.PartitionName(source.Region) + ":rds:" + source.Region + ":" + source.Account + snapshotPart + t.Source
	}
	got := c.add(Move{Steps: []string{"copy"}, Task: t, Source: ready, After: after(shared)})
	if c.w.toTheEnd() {
		c.add(Move{Steps: []string{"restore"}, Task: c.task(restore, 0), Source: got, After: after(got), Passing: c.w.Drill})
	}
	return nil
}

// isSnapshot reports whether an id is that of a snapshot: by its ARN, or because the
// estate has one of the name.
func (c *chain) isSnapshot(id, part string) bool {
	if strings.HasPrefix(id, "arn:") {
		return strings.Contains(id, part)
	}
	return strings.HasPrefix(id, "rds:") || c.resource(id, "rds:DBSnapshot", "rds:DBClusterSnapshot") != nil
}

// resource is a resource of the estate by its id or ARN.
func (c *chain) resource(id string, types ...string) *estate.Resource {
	for i := range c.e.Resources {
		if r := &c.e.Resources[i]; (r.ID == id || r.ARN == id) && slices.Contains(types, r.Type) {
			return r
		}
	}
	return nil
}

// keyOf is the key under which a snapshot lies, as far as the estate has it.
func (c *chain) keyOf(id string, owner *route.Party) string {
	if r := c.resource(id, "rds:DBSnapshot", "rds:DBClusterSnapshot"); r != nil && r.Account == owner.Account {
		return r.Key
	}
	return ""
}

// NewName is a name that begins the names of everything a route run makes, of a run that
// begins now.
func NewName(now time.Time) string { return "keyreach-" + newID(now) }
