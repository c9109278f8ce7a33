package backup

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// kind is a type of resources that is backed up. Its methods call the resource's own
// service as whoever the context says, in the Region of its call.
type kind interface {
	name() string
	// backup begins to make a recovery point, and tells what a restore may be told.
	backup(ctx context.Context, j *BackupJob) (point string, metadata map[string]string, err error)
	// made tells how far a recovery point is.
	made(ctx context.Context, point string) (progress, error)
	// share lets another account copy a recovery point, or no longer.
	share(ctx context.Context, point, account string, on bool) error
	// copy begins to copy a recovery point of another Region or account under a key; an
	// empty one is the default key of who copies.
	copy(ctx context.Context, j *CopyJob, keyARN string, tags map[string]string) (point string, err error)
	remove(ctx context.Context, point string, f gate.Forward) error
	// restore begins to make a resource of a recovery point.
	restore(ctx context.Context, j *RestoreJob, p *Point) (created string, err error)
	// restored tells how far a resource is.
	restored(ctx context.Context, created string) (progress, error)
}

// progress is how far something is that a service makes.
type progress struct {
	done   bool
	failed string // why it will never be
	size   int64  // bytes
	key    string // the ARN of the key it is under
}

// kinds are all that are backed up, by the service and the type in the ARN of a resource.
func (s *Service) kinds() map[string]kind {
	return map[string]kind{"ec2 volume": volumes{s.Agent}, "rds db": databases{s.Agent}, "rds cluster": clusters{s.Agent}}
}

// kindOf is the kind of a resource.
func (s *Service) kindOf(resource string) (kind, bool) {
	a, err := arn.Parse(resource)
	if err != nil {
		return nil, false
	}
	what := a.Resource[:max(0, strings.IndexAny(a.Resource, "/:"))]
	k, ok := s.kinds()[a.Service+" "+what]
	return k, ok
}

// kindNamed is a kind by its name, as EBS.
func (s *Service) kindNamed(name string) (kind, bool) {
	for _, k := range s.kinds() {
		if k.name() == name {
			return k, true
		}
	}
	return nil, false
}

// asRole is how AWS Backup calls a service as a role.
var asRole = gate.Forward{Service: "backup", Assumed: true}

// In returns a context whose call is made in a Region.
func in(ctx context.Context, region string) context.Context {
	c := *gate.From(ctx)
	c.Region = region
	return gate.With(ctx, &c)
}

// actor is a context whose call a role makes: one that an account made for AWS Backup,
// or its service-linked role. The name of the session is assumed.
func (s *Service) actor(ctx context.Context, roleARN string) (context.Context, error) {
	role, err := arn.ParsePrincipal(roleARN)
	if err != nil {
		return nil, err
	}
	session := "AWSBackup-" + role.Name
	session = session[:min(len(session), 64)]
	if linked, ok := behalf.LinkedRole("backup.amazonaws.com", role.Account, gate.From(ctx).Region); ok && linked == roleARN {
		return s.Agent.Role(ctx, roleARN, session, "")
	}
	return s.Agent.Trusted(ctx, roleARN, session, "")
}

// linkedRole is the service-linked role of an account, which AWS Backup makes of its own
// accord when it first needs it. That it does so whatever the caller may is assumed.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/using-service-linked-roles-AWSServiceRoleForBackup.html.
func (s *Service) linkedRole(ctx context.Context, account string) (string, error) {
	role, ok := behalf.LinkedRole("backup.amazonaws.com", account, gate.From(ctx).Region)
	if !ok {
		return "", errors.New("making the service-linked role: nothing is known of one")
	}
	p, err := arn.ParsePrincipal(role)
	if err != nil {
		return "", err
	}
	if _, there := s.Agent.Principals.UniqueID(p); there {
		return role, nil
	}
	own := behalf.Caller("backup.amazonaws.com")
	own.Account = account
	_, err = s.Roles.CreateServiceLinkedRole(gate.As(ctx, own), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("backup.amazonaws.com")})
	return role, err
}

// notAssumed is what is said of a role that does not let AWS Backup in. Reported.
func notAssumed(role string) string { return "IAM Role " + role + " cannot be assumed by AWS Backup" }

// said is what a job says of an error that ended it: the text of the service that was
// called. Of a want of rights AWS documents the first sentence; the rest is our own.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-dashboards.html.
func said(err error) string {
	code, text := behalf.EC2Refusal(err)
	if code == "InternalError" || text == "" {
		return "An internal error occurred."
	}
	return text
}
