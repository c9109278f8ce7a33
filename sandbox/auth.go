package sandbox

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/sigv4"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// authenticate finds out who calls and sets the call's caller and Region.
func (s *Sandbox) authenticate(r *http.Request, body []byte, v *served, c *gate.Call) error {
	words := wordsOf(v.head.Protocol)
	sig, err := sigv4.Parse(r)
	switch {
	case errors.Is(err, sigv4.ErrMissing):
		return words.missing()
	case err != nil:
		return words.incomplete(err.Error())
	}
	c.Region = sig.Region
	if want := v.head.SigningName; sig.Service != want {
		return words.mismatch("Credential should be scoped to correct service: '" + want + "'. ")
	}
	if !awsfacts.KnownRegion(sig.Region) {
		return words.mismatch("Credential should be scoped to a valid region. ")
	}
	if s.isRoot(sig.AccessKeyID) {
		c.Caller = rootOf(sig.AccessKeyID, sig.AccessKeyID)
		return s.see(sig.AccessKeyID)
	}
	var secret string
	err = s.db.View(func() error {
		c.Caller, secret, err = s.credentials(sig, c.Service, c.At, words)
		return err
	})
	if err != nil || secret == "" {
		return s.unknown(sig, c, words, err)
	}
	return checked(sig.Verify(&s.keys, r, body, secret, time.Now()), words)
}

// isRoot reports whether an access key id stands for an account's root user.
func (s *Sandbox) isRoot(id string) bool { return !s.options.Strict && arn.IsAccount(id) }

// unknown lets credentials that nobody knows in as the default account's root.
func (s *Sandbox) unknown(sig *sigv4.Signature, c *gate.Call, words words, err error) error {
	if err != nil {
		return err
	}
	if account := s.options.DefaultAccount; account != "" && !s.options.Strict {
		c.Caller = rootOf(account, sig.AccessKeyID)
		return s.see(account)
	}
	refused := words.unknownKey()
	if e, ok := refused.(*wire.Error); ok && e.Code == "InvalidAccessKeyId" { // S3's, which names it
		e.Fields = map[string]string{"AWSAccessKeyId": sig.AccessKeyID}
	}
	return refused
}

// credentials finds the caller and the secret behind an access key; no secret
// when nobody knows it. IAM knows no sessions but those of roles and
// those that had a device.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html.
func (s *Sandbox) credentials(sig *sigv4.Signature, service string, now time.Time, words words) (gate.Caller, string, error) {
	if session := s.sts.Session(sig.AccessKeyID); session != nil {
		if subtle.ConstantTimeCompare([]byte(session.Token), []byte(sig.Token)) != 1 {
			return gate.Caller{}, "", words.unknownKey()
		}
		if !now.Before(session.Expires) {
			return gate.Caller{}, "", words.expired()
		}
		caller, ok := s.sessionCaller(session)
		if !ok || service == "iam" && !session.OfRole() && !session.MFA {
			return gate.Caller{}, "", words.unknownKey()
		}
		return caller, session.Secret, nil
	}
	k, userARN, userID := s.iam.AccessKey(sig.AccessKeyID)
	if k == nil {
		return s.guestCaller(sig.AccessKeyID, now, words)
	}
	if k.Inactive || sig.Token != "" {
		return gate.Caller{}, "", words.unknownKey()
	}
	p, err := arn.ParsePrincipal(userARN)
	if err != nil {
		return gate.Caller{}, "", err
	}
	return gate.Caller{Caller: policy.Caller{Principal: p, ID: userID}, AccessKeyID: k.ID}, k.Secret, nil
}

// sessionCaller is who holds a session. One whose role or user is gone, or was
// made again, is nobody.
func (s *Sandbox) sessionCaller(session *gate.Session) (gate.Caller, bool) {
	if id, ok := s.iam.UniqueID(session.Behind); !ok || id != session.PrincipalID {
		return gate.Caller{}, false
	}
	return gate.Caller{Caller: policy.Caller{Principal: session.Holder, ID: session.ID}, AccessKeyID: session.AccessKeyID, Session: session}, true
}

func rootOf(account, accessKeyID string) gate.Caller {
	p := arn.Principal{Kind: arn.AccountRoot, Text: "arn:aws:iam::" + account + ":root", Partition: "aws", Account: account}
	return gate.Caller{Caller: policy.Caller{Principal: p, ID: account}, AccessKeyID: accessKeyID}
}

// see makes an account on first sight.
func (s *Sandbox) see(account string) error {
	known := false
	_ = s.db.View(func() error { known = s.knows(account); return nil }) // it cannot fail
	if known {
		return nil
	}
	return s.db.Update(func() error {
		if !s.knows(account) {
			s.accounts.Put(account, &Account{ID: account, Created: s.clock.Now()})
		}
		return nil
	})
}

// words are the codes with which the protocols refuse credentials.
type words struct {
	missingCode, unknownCode, mismatchCode, expiredCode, incompleteCode string
	status                                                              int
	// unknownText, expiredText and expiredStatus differ at S3; empty for what all others
	// have.
	unknownText, expiredText string
	expiredStatus            int
}

func wordsOf(protocol string) words {
	if protocol == "json" || protocol == "rest-json" {
		return words{
			missingCode: "MissingAuthenticationTokenException", unknownCode: "UnrecognizedClientException", mismatchCode: "InvalidSignatureException",
			expiredCode: "ExpiredTokenException", incompleteCode: "IncompleteSignatureException", status: http.StatusBadRequest,
		}
	}
	return words{
		missingCode: "MissingAuthenticationToken", unknownCode: "InvalidClientTokenId", mismatchCode: "SignatureDoesNotMatch",
		expiredCode: "ExpiredToken", incompleteCode: "IncompleteSignature", status: http.StatusForbidden,
	}
}

func (w words) refuse(code, text string) error {
	return &wire.Error{Code: code, Message: text, Status: w.status}
}

func (w words) missing() error { return w.refuse(w.missingCode, "Missing Authentication Token") }

func (w words) unknownKey() error {
	if w.unknownText != "" {
		return w.refuse(w.unknownCode, w.unknownText)
	}
	return w.refuse(w.unknownCode, "The security token included in the request is invalid.")
}

func (w words) expired() error {
	if w.expiredText != "" {
		return &wire.Error{Code: w.expiredCode, Message: w.expiredText, Status: w.expiredStatus}
	}
	return w.refuse(w.expiredCode, "The security token included in the request is expired")
}

func (w words) incomplete(text string) error {
	return &wire.Error{Code: w.incompleteCode, Message: text, Status: http.StatusBadRequest}
}

func (w words) mismatch(text string) error { return w.refuse(w.mismatchCode, text) }

// checked words the outcome of a signature check.
func checked(err error, w words) error {
	var at *sigv4.TimeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return w.mismatch(at.Error())
	case errors.Is(err, sigv4.ErrMismatch):
		return w.mismatch(err.Error())
	}
	return w.incomplete(err.Error())
}
