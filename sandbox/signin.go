package sandbox

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Credentials are credentials that the sandbox gave out for a while. Those of a session
// have a token, the access keys of users and roots have none.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// String is the access key id: secrets are not to be printed.
func (c Credentials) String() string { return c.AccessKeyID }

// rehearsalSession is the name of the sessions that SignIn makes of roles.
const rehearsalSession = "rehearsal"

// Longest and shortest sessions: those of a role last as long as AWS lets a role's, twelve
// hours, whatever the role's own setting.
const (
	shortestSignIn = time.Second
	longestSignIn  = 12 * time.Hour
)

// ErrNoPrincipal is the error of signing in as somebody that there is not.
var ErrNoPrincipal = errors.New("there is no such principal in the sandbox")

// SignIn returns credentials of a principal, as SignInAs with the session name
// "rehearsal".
func (s *Sandbox) SignIn(principal string, d time.Duration) (Credentials, error) {
	return s.SignInAs(principal, rehearsalSession, d)
}

// sessionName is the form of the names of sessions.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// SignInAs returns credentials of a principal of the sandbox by its ARN: a session of
// that name of a role, whatever the role's trust policy says, or an access key of a user
// or of an account's root, which IAM does not list among the user's own. They last for d
// on the sandbox's clock, 1 second to 12 hours. Whoever has the Sandbox may do everything
// in it: nothing is asked, and the call history has no record of it. Calls with the
// credentials are authorized as any.
//
// A service-linked role is refused, which only its service takes, and so is a user or
// role that there is not (ErrNoPrincipal).
func (s *Sandbox) SignInAs(principal, session string, d time.Duration) (Credentials, error) {
	c, err := s.signIn(principal, session, d)
	if err != nil {
		return Credentials{}, fmt.Errorf("signing in as %s: %w", principal, err)
	}
	return c, nil
}

func (s *Sandbox) signIn(principal, session string, d time.Duration) (c Credentials, err error) {
	p, err := arn.ParsePrincipal(principal)
	switch {
	case err != nil:
		return c, err
	case p.IsServiceLinked():
		return c, errors.New("it is a service-linked role, which only its service can take")
	case p.Kind != arn.Role && p.Kind != arn.User && p.Kind != arn.AccountRoot:
		return c, errors.New("it is no ARN of a user, a role or an account's root")
	case p.Kind == arn.Role && !sessionName.MatchString(session):
		return c, fmt.Errorf("%q is no name of a session: two to 64 letters, digits and any of _+=,.@-", session)
	case d < shortestSignIn || d > longestSignIn:
		return c, fmt.Errorf("a session lasts %s to %s, not %s", shortestSignIn, longestSignIn, d)
	}
	err = s.db.Update(func() error {
		id, ok := s.iam.UniqueID(p)
		if !ok || p.Kind == arn.AccountRoot && !s.knows(p.Account) {
			return ErrNoPrincipal
		}
		now := s.clock.Now()
		if p.Kind == arn.Role {
			out := s.sts.Give(p, id, session, now, d)
			c = Credentials{AccessKeyID: out.AccessKeyID, SecretAccessKey: out.Secret, SessionToken: out.Token, Expires: out.Expires}
			return nil
		}
		g := &guest{Principal: principal, ID: id, Secret: state.Secret(30), Expires: now.Add(d)}
		c = Credentials{AccessKeyID: s.ids.Unique("AKIA")[:20], SecretAccessKey: g.Secret, Expires: g.Expires}
		s.guests.Put(c.AccessKeyID, g)
		return nil
	})
	return c, err
}

// guest is an access key that SignIn made of a user or of an account's root. It is no
// longer anybody's when the user is gone, or was made again.
type guest struct {
	Principal, ID, Secret string
	Expires               time.Time
}

// guestCaller finds the caller and the secret behind an access key that SignIn made; no
// secret when it made none. It is called in View.
func (s *Sandbox) guestCaller(accessKeyID string, now time.Time, words words) (gate.Caller, string, error) {
	g := s.guests.Get(accessKeyID)
	if g == nil {
		return gate.Caller{}, "", nil
	}
	p, err := arn.ParsePrincipal(g.Principal)
	if err != nil {
		return gate.Caller{}, "", err
	}
	if !now.Before(g.Expires) {
		return gate.Caller{}, "", words.expired()
	}
	if id, ok := s.iam.UniqueID(p); !ok || id != g.ID {
		return gate.Caller{}, "", words.unknownKey()
	}
	return gate.Caller{Caller: policy.Caller{Principal: p, ID: g.ID}, AccessKeyID: accessKeyID}, g.Secret, nil
}

// sweepGuests forgets access keys that ended. It is called in Update.
func (s *Sandbox) sweepGuests(now time.Time) {
	for id, g := range s.guests.All("") {
		if now.After(g.Expires.Add(24 * time.Hour)) {
			s.guests.Delete(id)
		}
	}
}
