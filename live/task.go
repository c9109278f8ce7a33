package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
)

// Members of a task's Args that are Keyreach's own; all others have AWS's names.
const (
	// argStarted is what Start answered as ID. With it Look can say that something is
	// gone which AWS takes away when its key cannot be used, such as a volume.
	argStarted = "id"
	// argSince is the time (RFC 3339) from which on jobs count that carry no tags.
	argSince = "since"
	// argAttempt, when it differs, makes client tokens differ: AWS gives for a token that
	// it knows what it made before, also when that is gone.
	argAttempt = "attempt"
)

// removedTag marks what Remove ended and AWS still shows for a while.
const removedTag = "keyreach:removed"

// work is a task, and who performs it: start calls as the actor, look and remove as the
// account's own way in, which also makes what an actor has at hand when it begins.
type work struct {
	cloud.Task
	c          *Cloud
	actor, own aws.Config
}

// labor is how an operation is done. What makes nothing that can be found again has no
// look, and what only AWS does has no start.
type labor struct {
	look   func(context.Context, *work) (cloud.Progress, bool, error)
	start  func(context.Context, *work) (cloud.Progress, error)
	remove func(context.Context, *work) error
	// own: AWS itself is the actor, as a service; whoever has the account begins it.
	own bool
}

// laborOf finds how a task is done.
func laborOf(t cloud.Task) (labor, bool) {
	if t.Operation == "ec2:ModifySnapshotAttribute" && t.Scenario == "drs" {
		return labor{}, false // DRS itself does it, within drs:StartRecovery
	}
	service, _, _ := strings.Cut(t.Operation, ":")
	switch service {
	case "rds":
		return rdsLabor(t.Operation)
	case "ec2":
		return ec2Labor(t.Operation)
	case "backup":
		return backupLabor(t.Operation)
	case "drs":
		return drsLabor(t.Operation)
	}
	return dataLabor(t.Operation)
}

// Look finds what a task has made, by its name, and how far it is. It calls as the
// account's own way in, so that the actor needs no right to look. What is being taken
// away is not found. When t.Args has "id", the ID that Start answered, a volume or
// attachment that AWS took away again is found as failed. It fails with *cloud.Error.
func (c *Cloud) Look(ctx context.Context, t cloud.Task) (cloud.Progress, bool, error) {
	w, l, err := c.begin(ctx, t)
	if err != nil || l.look == nil {
		return cloud.Progress{}, false, err
	}
	return l.look(ctx, w)
}

// Start begins a task as its actor, and does not wait for its end. What a former call
// made, whose answer was lost, is taken for made. A task that makes nothing is done when
// Start returns. It fails with *cloud.Error.
func (c *Cloud) Start(ctx context.Context, t cloud.Task) (cloud.Progress, error) {
	w, l, err := c.begin(ctx, t)
	if err != nil {
		return cloud.Progress{}, err
	}
	if w.actor, err = w.performer(ctx, l); err != nil {
		return cloud.Progress{}, err
	}
	if l.look != nil {
		if p, found, err := l.look(ctx, w); err != nil || found {
			return p, err
		}
	}
	if l.start == nil {
		return cloud.Progress{}, w.invalid(errors.New("AWS does this by itself, and it has not begun"), cloud.State)
	}
	p, err := l.start(ctx, w)
	if l.look != nil && cloud.KindOf(err) == cloud.Exists {
		if there, found, looked := l.look(ctx, w); looked == nil && found {
			return there, nil
		}
	}
	return p, err
}

// Remove takes away what a task made, as the account's own way in. What is not there is
// no error. It fails with *cloud.Error.
func (c *Cloud) Remove(ctx context.Context, t cloud.Task) error {
	w, l, err := c.begin(ctx, t)
	if err != nil || l.remove == nil {
		return err
	}
	return w.gone(l.remove(ctx, w))
}

// begin checks a task and finds who performs it.
func (c *Cloud) begin(ctx context.Context, t cloud.Task) (*work, labor, error) {
	w := &work{Task: t, c: c}
	l, ok := laborOf(t)
	switch {
	case !ok:
		what := "Keyreach cannot perform " + t.Operation
		if t.Scenario != "" {
			what += " (" + t.Scenario + ")"
		}
		return nil, l, w.invalid(errors.New(what), cloud.Invalid)
	case !named(t.Name):
		return nil, l, w.invalid(fmt.Errorf("the task's name %q is not 1 to 63 letters, digits and hyphens that begin with a letter", t.Name), cloud.Invalid)
	}
	var err error
	w.own, err = c.config(ctx, t.Account, t.Region)
	w.actor = w.own
	return w, l, err
}

func (w *work) performer(ctx context.Context, l labor) (aws.Config, error) {
	if l.own || w.Actor == "" {
		return w.own, nil
	}
	return w.c.as(ctx, w.Actor, w.Account, w.Region)
}

// named reports whether a text can be the name of everything that tasks make.
func named(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// failed says how a call of a task failed.
func (w *work) failed(err error, operation string) error {
	return w.c.failed(err, operation, w.Account, w.Region)
}

// invalid is a task that no call is made for.
func (w *work) invalid(err error, kind cloud.Kind) error {
	return &cloud.Error{Kind: kind, Operation: w.Operation, Account: w.Account, Region: w.Region, Err: err}
}

// needed returns members of Args that a task cannot do without.
func (w *work) needed(names ...string) error {
	for _, name := range names {
		if w.Args[name] == "" {
			return w.invalid(fmt.Errorf("the task %s lacks the argument %s", w.Name, name), cloud.Invalid)
		}
	}
	return nil
}

// gone takes that something is not there for no error.
func (w *work) gone(err error) error {
	if cloud.KindOf(err) == cloud.NotFound {
		return nil
	}
	return err
}

// token is the client token of a task: its name, or something that follows from it when
// things of that name were made and removed before.
func (w *work) token(removed int) string {
	attempt := w.Args[argAttempt]
	if attempt == "" && removed == 0 {
		return w.Name
	}
	sum := sha256.Sum256([]byte(w.Name + "\n" + attempt + "\n" + strconv.Itoa(removed)))
	return hex.EncodeToString(sum[:16])
}

// tags are all tags of what a task makes, in the order of their keys.
func (w *work) tags() (keys []string, all map[string]string) {
	all = map[string]string{}
	maps.Copy(all, w.Tags)
	all[cloud.TaskTag] = w.Name
	return slices.Sorted(maps.Keys(all)), all
}

// since is the time from which on jobs count, zero for all.
func (w *work) since() (time.Time, error) {
	text := w.Args[argSince]
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, w.invalid(fmt.Errorf("the argument since: %w", err), cloud.Invalid)
	}
	return at, nil
}

// away reports whether the source is in another Region.
func (w *work) away() bool { return w.SourceRegion != "" && w.SourceRegion != w.Region }

// sourceRegion is the Region of the source.
func (w *work) sourceRegion() string {
	if w.SourceRegion != "" {
		return w.SourceRegion
	}
	return w.Region
}

// done is the progress of a task that makes nothing.
func done(state string, made map[string]string) cloud.Progress {
	return cloud.Progress{State: state, Percent: 100, Done: true, Made: made}
}

// percent reads a part of a hundred as AWS has it, "40%" or "40.0"; -1 for anything else.
func percent(text string) int {
	f, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || f < 0 || f > 100 {
		return -1
	}
	return int(f)
}

// reason joins AWS's code and text, of which one may be missing.
func reason(code, text string) string {
	switch {
	case code == "" || strings.HasPrefix(text, code):
		return text
	case text == "":
		return code
	}
	return code + ": " + text
}

// lastPart is an ARN's or id's own name: of arn:aws:rds:…:snapshot:first, first.
func lastPart(id string) string {
	a, err := arn.Parse(id)
	if err != nil {
		return id
	}
	return a.Resource[strings.LastIndexAny(a.Resource, ":/")+1:]
}

// sameKey compares two keys, of which either may be an id alone.
func sameKey(a, b string) bool { return a == b || lastPart(a) == lastPart(b) && a != "" && b != "" }
