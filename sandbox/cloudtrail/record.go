package cloudtrail

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Described is what only the protocol of a call's service can tell.
type Described struct {
	Request, Response any
	Code, Message     string // of the refusal; empty for none
	// Additional is what is told besides request and response; nil for nothing.
	Additional map[string]any
}

// Record is an event as CloudTrail writes it.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
type Record struct {
	EventVersion        string         `json:"eventVersion"`
	UserIdentity        Identity       `json:"userIdentity"`
	EventTime           time.Time      `json:"eventTime"`
	EventSource         string         `json:"eventSource"`
	EventName           string         `json:"eventName"`
	AWSRegion           string         `json:"awsRegion"`
	SourceIPAddress     string         `json:"sourceIPAddress"`
	UserAgent           string         `json:"userAgent"`
	ErrorCode           string         `json:"errorCode,omitempty"`
	ErrorMessage        string         `json:"errorMessage,omitempty"`
	RequestParameters   any            `json:"requestParameters"`
	ResponseElements    any            `json:"responseElements"`
	AdditionalEventData map[string]any `json:"additionalEventData,omitempty"`
	RequestID           string         `json:"requestID"`
	EventID             string         `json:"eventID"`
	ReadOnly            bool           `json:"readOnly"`
	Resources           []Resource     `json:"resources,omitempty"`
	EventType           string         `json:"eventType"`
	ManagementEvent     bool           `json:"managementEvent"`
	RecipientAccountID  string         `json:"recipientAccountId"`
	SharedEventID       string         `json:"sharedEventID,omitempty"`
	EventCategory       string         `json:"eventCategory"`
}

// Resource is what an event was about.
type Resource struct {
	AccountID string `json:"accountId"`
	Type      string `json:"type,omitempty"`
	ARN       string `json:"ARN"`
}

// Identity is who made a call.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html.
type Identity struct {
	Type           string          `json:"type"`
	PrincipalID    string          `json:"principalId,omitempty"`
	ARN            string          `json:"arn,omitempty"`
	AccountID      string          `json:"accountId,omitempty"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *SessionContext `json:"sessionContext,omitempty"`
	InvokedBy      string          `json:"invokedBy,omitempty"`
}

// SessionContext tells about temporary credentials.
type SessionContext struct {
	SessionIssuer  *Issuer           `json:"sessionIssuer,omitempty"`
	Attributes     map[string]string `json:"attributes"`
	SourceIdentity string            `json:"sourceIdentity,omitempty"`
}

// Issuer is the role or user behind a session.
type Issuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName,omitempty"`
}

// Records are the events of a call: the caller's, and one for each other account
// whose resources the call used. An owner learns of the call what AWS tells it:
// from which account it came. Of a call that was not allowed only the caller's account
// gets a record; that the same holds for other refusals is assumed.
// See https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html.
func (e *Entry) Records(d *Described) []Record {
	c := e.Call
	if c.Service == "kms" {
		e.completeKMS(d)
	}
	r := Record{
		EventVersion: "1.11", UserIdentity: identityOf(c), EventTime: c.At.UTC().Truncate(time.Second), EventSource: c.Service + ".amazonaws.com", EventName: c.Operation,
		AWSRegion: RegionOf(c), SourceIPAddress: c.SourceIP, UserAgent: c.UserAgent, ErrorCode: d.Code, ErrorMessage: d.Message,
		RequestParameters: d.Request, AdditionalEventData: d.Additional, RequestID: c.ID, EventID: idOf("event", c.ID), ReadOnly: e.ReadOnly || c.Service == "sts",
		EventType: "AwsApiCall", ManagementEvent: true, RecipientAccountID: c.Caller.Account, EventCategory: "Management",
	}
	if r.SourceIPAddress == "" {
		r.SourceIPAddress = c.UserAgent // of a service
	}
	if r.ErrorCode == "AccessDeniedException" {
		r.ErrorCode = "AccessDenied"
	}
	if !e.ReadOnly {
		r.ResponseElements = d.Response
	}
	var owners []string
	for _, x := range c.Resources {
		r.Resources = append(r.Resources, Resource{AccountID: x.Account, Type: x.Type, ARN: x.ARN})
		if x.Account != c.Caller.Account && arn.IsAccount(x.Account) && !slices.Contains(owners, x.Account) {
			owners = append(owners, x.Account)
		}
	}
	if len(owners) == 0 || e.Err != nil {
		return []Record{r}
	}
	r.SharedEventID = idOf("shared", c.ID)
	list := []Record{r}
	for _, owner := range owners {
		o := r
		o.RecipientAccountID, o.EventID = owner, idOf(owner, c.ID)
		o.UserIdentity = Identity{Type: "AWSAccount", PrincipalID: c.Caller.ID, AccountID: c.Caller.Account, InvokedBy: r.UserIdentity.InvokedBy}
		list = append(list, o)
	}
	return list
}

// RegionOf is the Region whose history an event is in: that of global services is
// in us-east-1.
func RegionOf(c *gate.Call) string {
	if c.Service == "iam" || c.Service == "organizations" {
		return "us-east-1"
	}
	return c.Region
}

// idOf makes an id that stays the same for a call.
func idOf(what, requestID string) string {
	sum := sha256.Sum256([]byte(what + requestID))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func identityOf(c *gate.Call) Identity {
	p := &c.Caller
	i := Identity{PrincipalID: p.ID, ARN: p.Text, AccountID: p.Account, AccessKeyID: p.AccessKeyID}
	if c.Forward != nil {
		i.InvokedBy = c.Forward.Name()
	}
	switch p.Kind {
	case arn.AccountRoot:
		i.Type = "Root"
	case arn.User:
		i.Type, i.UserName = "IAMUser", p.Name
	case arn.AssumedRole:
		i.Type = "AssumedRole"
	case arn.FederatedUser:
		i.Type = "FederatedUser"
	case arn.Service:
		return Identity{Type: "AWSService", InvokedBy: p.Text}
	}
	if s := p.Session; s != nil {
		i.SessionContext = contextOf(s)
	}
	return i
}

func contextOf(s *gate.Session) *SessionContext {
	x := &SessionContext{Attributes: map[string]string{"creationDate": s.Issued.UTC().Format(time.RFC3339), "mfaAuthenticated": strconv.FormatBool(s.MFA)}, SourceIdentity: s.Source}
	p, err := arn.ParsePrincipal(s.Principal)
	if err != nil || s.ARN == s.Principal {
		return x
	}
	kinds := map[arn.Kind]string{arn.Role: "Role", arn.User: "IAMUser", arn.AccountRoot: "Root"}
	x.SessionIssuer = &Issuer{Type: kinds[p.Kind], PrincipalID: s.PrincipalID, ARN: s.Principal, AccountID: p.Account, UserName: p.Name}
	return x
}

// userName is what LookupEvents calls Username.
func (i *Identity) userName(c *gate.Call) string {
	switch i.Type {
	case "Root":
		return "root"
	case "AssumedRole":
		return c.Caller.Principal.Session
	case "FederatedUser":
		return c.Caller.Name
	}
	return i.UserName
}
