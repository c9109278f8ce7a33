package live

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
)

// whySearch is one search for something that failed.
type whySearch struct {
	c       *Cloud
	cfg     aws.Config
	subject cloud.Subject
	id      string // the own name of the subject
	refused error  // the first service that did not answer
}

// whyReader reads one kind of thing. It returns nothing for one that is not there.
type whyReader func(context.Context, *whySearch) (*cloud.Failed, error)

// whyForm is a form of ids, and what may have them.
type whyForm struct {
	is      *regexp.Regexp
	readers []whyReader
}

// whyForms are tried in their order.
func whyForms() []whyForm {
	form := func(pattern string, readers ...whyReader) whyForm {
		return whyForm{regexp.MustCompile(pattern), readers}
	}
	return []whyForm{
		form(`(^|[:/])i-[0-9a-f]+$`, whyInstance),
		form(`(^|[:/])snap-[0-9a-f]+$`, whySnapshot),
		form(`(^|[:/])vol-[0-9a-f]+$`, whyVolume),
		form(`(^|[:/])ami-[0-9a-f]+$`, whyImage),
		form(`(^|[:/])drsjob-[0-9a-z]+$`, whyRecovery),
		form(`^arn:[^:]+:backup:[^:]*:[^:]*:recovery-point:`, whyPoint),
		form(`^arn:[^:]+:rds:[^:]*:[^:]*:snapshot:`, whyDBSnapshot),
		form(`^arn:[^:]+:rds:[^:]*:[^:]*:cluster-snapshot:`, whyClusterSnapshot),
		form(`^arn:[^:]+:autoscaling:[^:]*:[^:]*:autoScalingGroup:`, whyGroupActivity),
		form(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`, whyBackupJob, whyCopyJob, whyRestoreJob, whyActivity),
		form(`^((rds|awsbackup):)?[A-Za-z][A-Za-z0-9._/-]*$`, whyDBSnapshot, whyClusterSnapshot, whyGroupActivity),
	}
}

// Failed looks up something that failed, and what its own service tells of it: a backup,
// copy or restore job, a recovery point, a scaling activity or the latest one of an Auto
// Scaling group, an instance, image, snapshot, volume, DB snapshot or DB cluster
// snapshot, or a job of Elastic Disaster Recovery. It fails with kind cloud.NotFound when
// nothing has the id in the account and Region, and with kind cloud.Invalid for an id of
// no such thing.
func (c *Cloud) Failed(ctx context.Context, s cloud.Subject) (cloud.Failed, error) {
	if a, err := arn.Parse(s.ID); err == nil {
		if arn.IsAccount(a.Account) {
			s.Account = a.Account
		}
		if a.Region != "" {
			s.Region = a.Region
		}
	}
	for _, form := range whyForms() {
		if form.is.MatchString(s.ID) {
			return c.search(ctx, s, form.readers)
		}
	}
	return cloud.Failed{}, &cloud.Error{Kind: cloud.Invalid, Operation: "looking for " + s.ID, Err: errors.New("it is no id or ARN of anything that is looked up")}
}

func (c *Cloud) search(ctx context.Context, s cloud.Subject, readers []whyReader) (cloud.Failed, error) {
	cfg, err := c.config(ctx, s.Account, s.Region)
	if err != nil {
		return cloud.Failed{}, err
	}
	s.Region = cfg.Region
	w := &whySearch{c: c, cfg: cfg, subject: s, id: lastPart(s.ID)}
	for _, read := range readers {
		f, err := read(ctx, w)
		if err != nil {
			return cloud.Failed{}, err
		}
		if f != nil {
			f.ID, f.Account, f.Region = s.ID, s.Account, cfg.Region
			return *f, nil
		}
	}
	if w.refused != nil {
		return cloud.Failed{}, w.refused
	}
	return cloud.Failed{}, &cloud.Error{Kind: cloud.NotFound, Operation: "looking for " + s.ID, Account: s.Account, Region: s.Region, Err: errors.New("nothing there has this id")}
}

// missing sorts the failure of a look: what is not there is no failure, and one service
// that refuses does not end the search among several.
func (w *whySearch) missing(err error, operation string) error {
	err = w.c.failed(err, operation, w.subject.Account, w.cfg.Region)
	switch cloud.KindOf(err) {
	case "", cloud.NotFound, cloud.Invalid:
		return nil
	case cloud.Denied:
		if w.refused == nil {
			w.refused = err
		}
		return nil
	}
	return err
}

// theTime is a time that AWS may leave out.
func theTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func without(list ...string) []string {
	var out []string
	for _, text := range list {
		if text != "" {
			out = append(out, text)
		}
	}
	return out
}

// logLine is a line of a log, with its time where that is known.
func logLine(at time.Time, format string, args ...any) string {
	line := fmt.Sprintf(format, args...)
	if at.IsZero() {
		return strings.TrimSpace(line)
	}
	return at.UTC().Format(time.RFC3339) + " " + strings.TrimSpace(line)
}
