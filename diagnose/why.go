package diagnose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/lazy"
)

// Source tells about failures on AWS. Its errors are of the kinds of package cloud.
type Source interface {
	// Failed looks up something that failed.
	Failed(ctx context.Context, s cloud.Subject) (cloud.Failed, error)
	// Trail looks calls up in CloudTrail, the latest first; whole is false when there were
	// more than were read.
	Trail(ctx context.Context, q cloud.Trail) (events []cloud.Event, whole bool, err error)
	// Decode opens the encoded part of a refusal.
	Decode(ctx context.Context, account, message string) (cloud.Decoded, error)
}

// Proof is when somebody last saw it work.
type Proof struct {
	At time.Time
	By string // what proved it: a run, or who says so
}

// WhyOptions say what is at hand to explain a failure.
type WhyOptions struct {
	Now time.Time
	// Estate returns the estate to ask about an incident; nil for none. Its error is noted,
	// and does not end the explanation.
	Estate func(context.Context, *Incident) (*estate.Estate, error)
	// Proven returns the last proof at hand for a key; false for none.
	Proven func(keyARN string) (Proof, bool)
}

// Explanation is why something failed.
type Explanation struct {
	Failed cloud.Failed
	// Says is all of it in one sentence: who, what, which key, whose account.
	Says string
	// Known is set when Says names a cause that AWS itself tells.
	Known bool
	// Denial is the refused call behind it, as CloudTrail has it; nil when none was found.
	Denial *cloud.Event
	// Near are other calls that were refused at the time, and that may have to do with it.
	Near []cloud.Event
	// Incident is the failure as a text is read, with its causes; nil when there are none.
	Incident *Incident
	// Judgement is what the estate says; nil without one.
	Judgement *Judgement
	// Since is the last proof, and Changes what was changed since; no proof is a zero time.
	Since   Proof
	Changes []cloud.Event
	// Notes are what could not be looked up, and what to bear in mind.
	Notes []string
}

// Found reports whether there is something to explain, and it is explained.
func (x *Explanation) Found() bool { return x.Known && !x.Failed.Fine }

// The window of time around a failure in which its calls are looked for: services try
// again for a while, and copies take up to hours before they fail.
const (
	trailBefore = 5 * time.Minute
	trailAfter  = 20 * time.Minute
	trailLong   = 6 * time.Hour
	trailUnsure = 24 * time.Hour // for what AWS tells no time of
	// trailDelay is how late CloudTrail may show a call. See
	// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/how-cloudtrail-works.html.
	trailDelay = 15 * time.Minute
)

// Explain finds out why something failed: what its service tells, the refused call behind
// it, and with a proof at hand what was changed since. What could not be looked up beside
// is noted; only that the thing itself could not be is an error.
func Explain(ctx context.Context, src Source, s cloud.Subject, o WhyOptions) (*Explanation, error) {
	f, err := src.Failed(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("explaining %s: %w", s.ID, err)
	}
	x := &explainer{src: src, o: o, x: &Explanation{Failed: f}}
	if f.Fine {
		x.x.Says = fmt.Sprintf("The %s %s did not fail: it is %s.", f.What, f.ID, cmp.Or(f.State, "fine"))
		return x.x, nil
	}
	if err := x.denials(ctx); err != nil {
		return nil, err
	}
	x.incident()
	if err := x.judge(ctx); err != nil {
		return nil, err
	}
	if err := x.changes(ctx); err != nil {
		return nil, err
	}
	x.say()
	return x.x, nil
}

type explainer struct {
	src    Source
	o      WhyOptions
	x      *Explanation
	estate *estate.Estate // nil is none
	likely bool           // that the refused call is the one behind it, and not certain
}

// judge asks the estate, where there is one.
func (e *explainer) judge(ctx context.Context) error {
	in := e.x.Incident
	if in == nil || e.o.Estate == nil {
		return nil
	}
	own, err := e.o.Estate(ctx, in)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		e.note("no estate was asked: %v", err)
	case own != nil:
		e.estate = own
		j := Judge(in, own, e.o.Now)
		e.x.Judgement = &j
	}
	return nil
}

func (e *explainer) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(e.x.Notes, text) {
		e.x.Notes = append(e.x.Notes, text)
	}
}

// place is an account and a Region in whose history calls may be.
type place struct{ account, region string }

var anyARN = lazy.Regexp(`arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:[A-Za-z0-9_/:.+=@-]+`)

// places are those of the thing itself, of its keys, and of what its service names: a
// copy reads in another Region, and another account may share with this one. A refused
// call stands in its caller's account alone. See
// https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html.
func (e *explainer) places() []place {
	f := &e.x.Failed
	list := []place{{f.Account, f.Region}}
	named := anyARN.FindAllString(f.Text+" "+strings.Join(f.Log, " "), -1)
	for _, text := range slices.Concat(f.Keys, []string{f.Principal}, named) {
		a, err := arn.Parse(text)
		if err != nil || !arn.IsAccount(a.Account) {
			continue
		}
		list = append(list, place{a.Account, cmp.Or(a.Region, f.Region)}, place{f.Account, cmp.Or(a.Region, f.Region)})
	}
	var once []place
	for _, p := range list {
		if !slices.Contains(once, p) {
			once = append(once, p)
		}
	}
	return once
}

// window is a time in which calls are looked for; a zero to is now.
type window struct{ from, to time.Time }

// windows are the times in which the calls of the failure are looked for, the likeliest
// first: in a busy account a long one holds more calls than are read.
func (e *explainer) windows() []window {
	f := &e.x.Failed
	switch {
	case f.At.IsZero() && f.Until.IsZero():
		return []window{{e.o.Now.Add(-trailUnsure), time.Time{}}}
	case f.Until.IsZero():
		return []window{{f.At.Add(-trailBefore), f.At.Add(trailAfter)}, {f.At.Add(-trailBefore), f.At.Add(trailLong)}}
	case f.At.IsZero():
		return []window{{f.Until.Add(-trailAfter), f.Until.Add(trailAfter)}, {f.Until.Add(-trailLong), f.Until.Add(trailAfter)}}
	}
	return []window{{f.Until.Add(-trailAfter), f.Until.Add(trailAfter)}, {f.At.Add(-trailBefore), f.Until.Add(trailAfter)}}
}

// denials finds the refused call behind the failure.
func (e *explainer) denials(ctx context.Context) error {
	for _, w := range e.windows() {
		var all []cloud.Event
		var notes []string
		for _, p := range e.places() {
			found, whole, err := e.src.Trail(ctx, cloud.Trail{Account: p.account, Region: p.region, From: w.from, To: w.to, Sources: e.sources(), Refused: true})
			switch {
			case errors.Is(err, context.Canceled):
				return err
			case err != nil:
				e.unread(p, err)
			case !whole:
				notes = append(notes, fmt.Sprintf("CloudTrail of account %s in %s has more calls of that time than were read", p.account, p.region))
			}
			all = append(all, found...)
		}
		if e.choose(all); e.x.Denial != nil {
			return nil
		}
		for _, n := range notes {
			e.note("%s", n)
		}
	}
	if !e.x.Failed.At.IsZero() && e.o.Now.Sub(e.x.Failed.At) < trailDelay {
		e.note("CloudTrail shows a call up to %s late: ask again then", trailDelay)
	}
	return nil
}

// unread notes whose history could not be read, and what to do about it.
func (e *explainer) unread(p place, err error) {
	next := ""
	if cloud.KindOf(err) == cloud.Denied {
		next = "; keyreach iam-policy --for why prints the rights that it takes"
	}
	e.note("CloudTrail of account %s in %s could not be read: %v%s", p.account, p.region, err, next)
}

// choose takes the refusal for which most speaks, and those that come near.
func (e *explainer) choose(all []cloud.Event) {
	best := -1
	points := make([]int, len(all))
	for i := range all {
		points[i] = e.weight(&all[i])
		if points[i] >= e.taken() && (best < 0 || points[i] > points[best]) {
			best = i
		}
	}
	e.x.Near = nil
	if best >= 0 {
		e.x.Denial, e.likely = &all[best], points[best] < sure
	}
	for i := range all {
		told := i == best || best >= 0 && same(&all[best], &all[i]) || slices.ContainsFunc(e.x.Near, func(have cloud.Event) bool { return same(&have, &all[i]) })
		if points[i] > 0 && !told && len(e.x.Near) < nearShown {
			e.x.Near = append(e.x.Near, all[i])
		}
	}
}

// nearShown is how many other refusals are told.
const nearShown = 5

// same reports whether two calls were refused alike: services try again and again.
func same(a, b *cloud.Event) bool {
	return a.Name == b.Name && a.Who == b.Who && a.Message == b.Message
}

// sources are the services whose refusals may be behind the failure: KMS, the service of
// the thing, and EC2 for those that work through it.
func (e *explainer) sources() []string {
	list := []string{"kms.amazonaws.com"}
	service, _, _ := strings.Cut(e.x.Failed.Operation, ":")
	switch service {
	case "", "kms":
	case "backup", "drs":
		list = append(list, "ec2.amazonaws.com")
	default:
		list = append(list, service+".amazonaws.com")
	}
	return list
}

// The weights of refusals.
const (
	// enough is the weight from which a refusal is taken for the one behind the failure,
	// when it is known when that was.
	enough = 3
	// sure is the weight from which it is for certain: the call has the thing itself, its key
	// or who did it, and not only the time and the service.
	sure = 4
)

// taken is the weight from which a refusal is taken for the one behind the failure. Where
// no time is known any refusal of a day would do, and so it has to be certain.
func (e *explainer) taken() int {
	if e.x.Failed.At.IsZero() && e.x.Failed.Until.IsZero() {
		return sure
	}
	return enough
}

// weight says how much speaks for a refused call being the one behind the failure.
func (e *explainer) weight(v *cloud.Event) int {
	f := &e.x.Failed
	n := 0
	about := strings.ToLower(v.Record + " " + v.Message)
	for _, id := range f.Related {
		if len(id) > len("i-") && strings.Contains(about, strings.ToLower(id)) {
			n += 4
			break
		}
	}
	for _, key := range slices.Concat(f.Keys, anyARN.FindAllString(f.Text, -1)) {
		if id := idOfKey(key); id != "" && strings.Contains(about, id) {
			n += 3
			break
		}
	}
	if f.Principal != "" && roleOf(f.Principal) == roleOf(v.Who) {
		n += 3
	}
	if e.invoked(v) {
		n += 2
	}
	if v.Source != "kms.amazonaws.com" && !speaksOfKeys(v.Message) {
		return 0 // another refusal of the service
	}
	return n + 1
}

// invoked reports whether the service of what failed made the call, or EC2, through which
// all work but RDS. EC2 calls itself ec2-frontend-api there.
func (e *explainer) invoked(v *cloud.Event) bool {
	service, _, _ := strings.Cut(e.x.Failed.Operation, ":")
	by, _, _ := strings.Cut(strings.TrimSuffix(v.InvokedBy, ".amazonaws.com"), "-")
	return by != "" && (by == service || by == "ec2" && service != "rds")
}

func speaksOfKeys(text string) bool {
	lower := strings.ToLower(text)
	return strings.Contains(lower, "kms") || strings.Contains(lower, "use key") || strings.Contains(lower, "key ")
}

// idOfKey is the id in a key's ARN, or the id itself; nothing for what is no key.
func idOfKey(key string) string {
	a, err := arn.Parse(key)
	if err != nil {
		return key
	}
	id, ok := strings.CutPrefix(a.Resource, "key/")
	if !ok || a.Service != "kms" {
		return ""
	}
	return strings.TrimRight(id, ".,;:")
}

// roleOf is the account and name of a user or role, or of the role of a session.
func roleOf(who string) string {
	p, err := arn.ParsePrincipal(who)
	if err != nil || p.Name == "" {
		return who
	}
	return p.Account + "/" + p.Name
}

// incident reads the refusal as a text is read, or without one what the service tells.
func (e *explainer) incident() {
	f := &e.x.Failed
	var in Incident
	ok := false
	if e.x.Denial != nil {
		in, ok = One(e.x.Denial.Record)
	}
	if !ok && f.Text != "" {
		in, ok = One(f.Text)
	}
	if !ok {
		return
	}
	if v := e.x.Denial; v != nil {
		e.complete(&in, v)
	}
	in.Account, in.Region = cmp.Or(in.Account, f.Account), cmp.Or(in.Region, f.Region)
	if in.Principal == "" && f.Principal != "" {
		in.Principal, in.PrincipalKind = f.Principal, kindOf(f.Principal)
	}
	if in.Key == "" && len(f.Keys) > 0 {
		in.Key = f.Keys[0]
	}
	if in.Operation == "" || in.Via != "" { // the operation that a person knows, in place of the call within it
		in.Service, in.Operation, _ = strings.Cut(f.Operation, ":")
	}
	in.retell()
	e.x.Incident = &in
}

// complete fills in what the event tells and its text does not.
func (e *explainer) complete(in *Incident, v *cloud.Event) {
	in.Principal = cmp.Or(in.Principal, v.Who)
	if in.PrincipalKind == "" || in.PrincipalKind == Unknown {
		in.PrincipalKind = kindOf(in.Principal)
	}
	in.Via = cmp.Or(in.Via, v.InvokedBy)
	in.RequestID = cmp.Or(in.RequestID, v.RequestID)
	if in.Action == "" && v.Source == "kms.amazonaws.com" {
		in.Action = "kms:" + v.Name
	}
	in.Key = cmp.Or(refusedKey(in, v), in.Key)
	if a, err := arn.Parse(in.Key); err == nil {
		in.KeyAccount, in.Region = a.Account, cmp.Or(a.Region, in.Region)
	}
	if len(in.Context) == 0 {
		in.Context = v.Context
	}
	// Each half of ReEncrypt is an action of its own, and the error names the one.
	if op, ok := awsfacts.KMSOperation(in.Action); ok && !slices.Contains(op.Actions, in.Action) && len(op.Actions) > 0 {
		in.Action = op.Actions[0]
	}
}

// refusedKey is the key that the call was refused on. An event of ReEncrypt has two, and
// across accounts the message does not name the one.
func refusedKey(in *Incident, v *cloud.Event) string {
	for _, named := range anyARN.FindAllString(v.Message, -1) {
		if strings.Contains(named, ":key/") {
			return strings.TrimRight(named, ".,;:")
		}
	}
	switch {
	case strings.HasSuffix(in.Action, "ReEncryptFrom"):
		return v.Parameters["sourceKeyId"]
	case strings.HasSuffix(in.Action, "ReEncryptTo"):
		return v.Parameters["destinationKeyId"]
	}
	for _, r := range v.Resources {
		if strings.Contains(r, ":key/") {
			return r
		}
	}
	return ""
}

// gone is the state of what AWS took away again.
const gone = "gone"

// say puts it into one sentence.
func (e *explainer) say() {
	f := &e.x.Failed
	head := fmt.Sprintf("The %s %s failed", f.What, f.ID)
	if e.likely {
		head += " most likely"
	}
	in := e.x.Incident
	switch {
	case e.x.Denial != nil && in != nil && in.Action != "" && in.Principal != "":
		e.x.Known = true
		e.x.Says = fmt.Sprintf("%s because %s may not do %s on %s%s%s.", head, in.Principal, in.Action, cmp.Or(in.Key, "a key that AWS does not name"), ownerOf(in), e.because())
	case e.x.Denial != nil:
		e.x.Known = true
		e.x.Says = fmt.Sprintf("%s because %s was refused %s: %s", head, e.x.Denial.Who, e.x.Denial.Name, sentence(strings.TrimRight(cmp.Or(e.x.Denial.Message, e.x.Denial.Code), ".")))
	case f.State == gone:
		e.x.Says = fmt.Sprintf("The %s %s is not there, and CloudTrail shows no refused call about it: it was deleted, never was, or is of another account or Region.", f.What, f.ID)
	case in != nil && len(in.Causes) > 0 && in.Causes[0].Verdict == True:
		e.x.Known = true
		e.x.Says = fmt.Sprintf("%s, and on the estate the cause is %s: %s.", head, in.Causes[0].Code, in.Causes[0].Why[0])
	case in != nil && len(in.Causes) > 0:
		text, _ := CodeText(in.Causes[0].Code)
		e.x.Known = true
		e.x.Says = fmt.Sprintf("%s with %q, most likely for this: %s CloudTrail shows no refused call behind it.", head, f.Text, text)
	default:
		e.x.Says = fmt.Sprintf("%s with %q, and neither that nor CloudTrail tells of a key.", head, cmp.Or(f.Text, f.State))
	}
}

// ownerOf says whose the key is.
func ownerOf(in *Incident) string {
	if in.KeyAccount == "" {
		return ""
	}
	if in.KeyAccount == in.Account {
		return ", a key of its own account " + in.KeyAccount
	}
	return ", a key of account " + in.KeyAccount
}

// because is the reason that AWS gives, or the estate.
func (e *explainer) because() string {
	in := e.x.Incident
	if len(in.Causes) > 0 && in.Causes[0].Verdict == True {
		return ": " + strings.TrimRight(in.Causes[0].Why[0], ".")
	}
	message := e.x.Denial.Message
	if _, why, ok := strings.Cut(message, " because "); ok {
		return ": " + strings.TrimRight(why, ".")
	}
	if _, why, ok := strings.Cut(message, " with an explicit deny in "); ok {
		return ": an explicit deny in " + strings.TrimRight(why, ".")
	}
	if message != "" {
		return fmt.Sprintf(" (%s: %s)", e.x.Denial.Code, strings.TrimRight(message, "."))
	}
	return " (" + e.x.Denial.Code + ")"
}
