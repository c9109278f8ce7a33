package live

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/cloud"
)

// trailPages is how many pages of fifty calls one look-up reads at most: AWS lets two be
// read in a second.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html.
const trailPages = 40

// Trail looks calls up in the history of an account in a Region, the latest first. AWS
// keeps 90 days, shows a call up to some minutes late, and tells nothing of calls that
// read or write data, to KMS excepted. whole is false when there were more calls than
// were read.
func (c *Cloud) Trail(ctx context.Context, q cloud.Trail) (events []cloud.Event, whole bool, err error) {
	cfg, err := c.config(ctx, q.Account, q.Region)
	if err != nil {
		return nil, false, err
	}
	whole = true
	look := func(key types.LookupAttributeKey, values []string) error {
		for _, v := range values {
			found, all, err := c.lookUp(ctx, cfg, &q, types.LookupAttribute{AttributeKey: key, AttributeValue: &v})
			if err != nil {
				return err
			}
			events, whole = append(events, found...), whole && all
		}
		return nil
	}
	if err = look(types.LookupAttributeKeyEventSource, q.Sources); err == nil {
		err = look(types.LookupAttributeKeyEventName, q.Names)
	}
	slices.SortStableFunc(events, func(a, b cloud.Event) int { return b.At.Compare(a.At) })
	return events, whole, err
}

func (c *Cloud) lookUp(ctx context.Context, cfg aws.Config, q *cloud.Trail, by types.LookupAttribute) (events []cloud.Event, whole bool, err error) {
	in := &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{by}}
	if !q.From.IsZero() {
		in.StartTime = &q.From
	}
	if !q.To.IsZero() {
		in.EndTime = &q.To
	}
	pages := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(cfg), in)
	for n := 0; pages.HasMorePages(); n++ {
		if n == trailPages {
			return events, false, nil
		}
		out, err := pages.NextPage(ctx)
		if err != nil {
			return events, false, c.failed(err, "cloudtrail:LookupEvents", q.Account, cfg.Region)
		}
		for i := range out.Events {
			e, ok := eventOf(&out.Events[i])
			if ok && (!q.Refused || e.Code != "") && (!q.Made || e.Code == "") {
				events = append(events, e)
			}
		}
	}
	return events, true, nil
}

// trailRecord is what is read of an event as CloudTrail writes it.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
type trailRecord struct {
	UserIdentity struct {
		ARN         string `json:"arn"`
		PrincipalID string `json:"principalId"`
		AccountID   string `json:"accountId"`
		InvokedBy   string `json:"invokedBy"`
	} `json:"userIdentity"`
	EventTime          time.Time                  `json:"eventTime"`
	EventSource        string                     `json:"eventSource"`
	EventName          string                     `json:"eventName"`
	AWSRegion          string                     `json:"awsRegion"`
	ErrorCode          string                     `json:"errorCode"`
	ErrorMessage       string                     `json:"errorMessage"`
	RequestID          string                     `json:"requestID"`
	EventID            string                     `json:"eventID"`
	RequestParameters  map[string]json.RawMessage `json:"requestParameters"`
	RecipientAccountID string                     `json:"recipientAccountId"`
	Resources          []struct {
		ARN string `json:"ARN"`
	} `json:"resources"`
}

// eventOf reads an event; false for one that is not as it is documented.
func eventOf(v *types.Event) (cloud.Event, bool) {
	var r trailRecord
	text := aws.ToString(v.CloudTrailEvent)
	if json.Unmarshal([]byte(text), &r) != nil {
		return cloud.Event{}, false
	}
	who := r.UserIdentity
	e := cloud.Event{
		ID: r.EventID, At: r.EventTime.UTC(), Source: r.EventSource, Name: r.EventName, Account: r.RecipientAccountID, Region: r.AWSRegion, InvokedBy: who.InvokedBy,
		Code: r.ErrorCode, Message: r.ErrorMessage, RequestID: r.RequestID, Record: text, Parameters: map[string]string{},
	}
	for _, name := range []string{who.ARN, who.AccountID, who.InvokedBy, who.PrincipalID} {
		if e.Who == "" {
			e.Who = name
		}
	}
	for _, x := range r.Resources {
		e.Resources = append(e.Resources, without(x.ARN)...)
	}
	for name, raw := range r.RequestParameters {
		var one string
		if json.Unmarshal(raw, &one) == nil {
			e.Parameters[name] = one
		}
	}
	half := "sourceEncryptionContext"
	if strings.Contains(e.Message, "ReEncryptTo") {
		half = "destinationEncryptionContext"
	}
	for _, name := range []string{"encryptionContext", half} { // there may be none
		_ = json.Unmarshal(r.RequestParameters[name], &e.Context)
	}
	return e, true
}

// Decode opens the encoded part of a refusal, which only the account of the refused may,
// with sts:DecodeAuthorizationMessage.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html.
func (c *Cloud) Decode(ctx context.Context, account, message string) (cloud.Decoded, error) {
	cfg, err := c.config(ctx, account, "")
	if err != nil {
		return cloud.Decoded{}, err
	}
	out, err := sts.NewFromConfig(cfg).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
	if err != nil {
		return cloud.Decoded{}, c.failed(err, "sts:DecodeAuthorizationMessage", account, cfg.Region)
	}
	return decoded(aws.ToString(out.DecodedMessage))
}

type decodedList[T any] struct {
	Items []T `json:"items"`
}

// decodedMessage is a decoded message as AWS writes it.
type decodedMessage struct {
	ExplicitDeny      bool `json:"explicitDeny"`
	MatchedStatements decodedList[struct {
		ID     string `json:"statementId"`
		Effect string `json:"effect"`
	}] `json:"matchedStatements"`
	Context struct {
		Principal struct {
			ARN string `json:"arn"`
		} `json:"principal"`
		Action     string `json:"action"`
		Resource   string `json:"resource"`
		Conditions decodedList[struct {
			Key    string `json:"key"`
			Values decodedList[struct {
				Value string `json:"value"`
			}] `json:"values"`
		}] `json:"conditions"`
	} `json:"context"`
}

func decoded(text string) (cloud.Decoded, error) {
	var m decodedMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return cloud.Decoded{}, fmt.Errorf("reading the decoded message: %w", err)
	}
	d := cloud.Decoded{ExplicitDeny: m.ExplicitDeny, Principal: m.Context.Principal.ARN, Action: m.Context.Action, Resource: m.Context.Resource, Conditions: map[string][]string{}}
	for i, s := range m.MatchedStatements.Items {
		name := s.ID
		if name == "" {
			name = fmt.Sprintf("statement %d", i+1)
		}
		d.Statements = append(d.Statements, strings.TrimSpace(name+" "+strings.ToLower(s.Effect)))
	}
	for _, k := range m.Context.Conditions.Items {
		for _, v := range k.Values.Items {
			d.Conditions[k.Key] = append(d.Conditions[k.Key], v.Value)
		}
	}
	return d, nil
}

// whyNeeds are the rights that Failed, Trail and Decode need.
func whyNeeds() []Need {
	var list []Need
	for _, action := range []string{
		"autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities",
		"backup:DescribeBackupJob", "backup:DescribeCopyJob", "backup:DescribeRecoveryPoint", "backup:DescribeRestoreJob", "backup:ListBackupVaults",
		"cloudtrail:LookupEvents", "drs:DescribeJobLogItems", "drs:DescribeJobs",
		"ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeSnapshots", "ec2:DescribeVolumes",
		"rds:DescribeDBClusterSnapshots", "rds:DescribeDBSnapshots", "rds:DescribeEvents", "sts:DecodeAuthorizationMessage",
	} {
		list = append(list, Need{Action: action, Resource: "*"})
	}
	return list
}
