package wire_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// machine stands for the EC2 API, which has no table: its protocol differs from the
// query protocol in the names of members and in its lists.
type machine struct {
	ImageId *string
	DryRun  *bool
	Count   *int32
	Names   []string
	Tags    []label
	Since   *time.Time
	Ratio   *float64
}

type label struct{ Key, Value *string }

func machineAPI() *awsfacts.API {
	shape := func(t string) *awsfacts.Shape { return &awsfacts.Shape{Name: t, Type: t} }
	names := &awsfacts.Shape{Name: "Names", Type: "list", Elem: &awsfacts.Member{Shape: shape("string"), LocationName: "item"}}
	tag := &awsfacts.Shape{Name: "Tag", Type: "structure", Members: []*awsfacts.Member{
		{Name: "Key", Shape: shape("string"), LocationName: "key"}, {Name: "Value", Shape: shape("string"), LocationName: "value"},
	}}
	tags := &awsfacts.Shape{Name: "Tags", Type: "list", Elem: &awsfacts.Member{Shape: tag, LocationName: "item"}}
	s := &awsfacts.Shape{Name: "Machine", Type: "structure", Members: []*awsfacts.Member{
		{Name: "ImageId", Shape: shape("string"), LocationName: "imageId"},
		{Name: "DryRun", Shape: shape("boolean"), LocationName: "dryRun"},
		{Name: "Count", Shape: shape("integer"), LocationName: "count", QueryName: "MaxCount"},
		{Name: "Names", Shape: names, LocationName: "nameSet", QueryName: "Name"},
		{Name: "Tags", Shape: tags, LocationName: "tagSet"},
		{Name: "Since", Shape: shape("timestamp"), LocationName: "since"},
		{Name: "Ratio", Shape: shape("double"), LocationName: "ratio"},
	}}
	op := &awsfacts.APIOperation{Name: "RunMachine", Method: "POST", URI: "/", Status: 200, Input: s, Output: s}
	return &awsfacts.API{
		Service: "machine", Protocol: "ec2", Version: "2016-11-15", XMLNamespace: "http://ec2.amazonaws.com/doc/2016-11-15",
		Operations: map[string]*awsfacts.APIOperation{"RunMachine": op},
	}
}

// smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
func TestAFormOfEC2NamesMembersWithCapitalsAndNumbersLists(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 24, 9, 30, 15, 0, time.UTC)
	tests := []struct {
		name, form string
		want       machine
	}{
		{"nothing", "Action=RunMachine&Version=2016-11-15", machine{}},
		{"a name with a capital", "ImageId=ami-1", machine{ImageId: aws.String("ami-1")}},
		{"not the name in XML", "imageId=ami-1", machine{}},
		{"the name that the model gives for queries", "MaxCount=7&Count=8", machine{Count: aws.Int32(7)}},
		{"a boolean", "DryRun=true", machine{DryRun: aws.Bool(true)}},
		{"a list without an element", "Name.1=a&Name.2=b", machine{Names: []string{"a", "b"}}},
		{"a list in the order of its numbers", "Name.10=c&Name.9=b&Name.1=a", machine{Names: []string{"a", "b", "c"}}},
		{"structures in a list", "TagSet.1.Key=k&TagSet.1.Value=v", machine{Tags: []label{{aws.String("k"), aws.String("v")}}}},
		{"a time", "Since=2026-11-24T09%3A30%3A15Z", machine{Since: &when}},
		{"a number with a fraction", "Ratio=1.5e0", machine{Ratio: aws.Float64(1.5)}},
		{"the first of two", "ImageId=a&ImageId=b", machine{ImageId: aws.String("a")}},
		{"a name that is no member", "Colour=red&Name.x=a&Name.0=b&Name.-1=c", machine{}},
	}
	c := wire.New(machineAPI())
	op := c.API().Operation("RunMachine")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := machine{}
			if err := c.Decode(op, httptest.NewRequest("POST", "/", nil), []byte(tt.form), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAnswerOfEC2HasItsNumberFirstAndItemsInItsLists(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 24, 9, 30, 15, 250e6, time.UTC)
	c := wire.New(machineAPI())
	res, err := c.Encode(c.API().Operation("RunMachine"), &machine{
		ImageId: aws.String("<a>"), DryRun: aws.Bool(false), Names: []string{"a", "b"}, Tags: []label{{Key: aws.String("k")}}, Since: &when,
	}, requestID)
	if err != nil {
		t.Fatal(err)
	}
	want := xml.Header + `<RunMachineResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15"><requestId>` + requestID + "</requestId>" +
		"<imageId>&lt;a&gt;</imageId><dryRun>false</dryRun><nameSet><item>a</item><item>b</item></nameSet>" +
		"<tagSet><item><key>k</key></item></tagSet><since>2026-11-24T09:30:15.250Z</since></RunMachineResponse>"
	if string(res.Body) != want {
		t.Errorf("%s\nwant\n%s", res.Body, want)
	}
	failed := c.EncodeError(wire.Refuse("InvalidAMIID.NotFound", "no <ami>"), requestID)
	want = xml.Header + "<Response><Errors><Error><Code>InvalidAMIID.NotFound</Code><Message>no &lt;ami&gt;</Message></Error></Errors><RequestID>" + requestID + "</RequestID></Response>"
	if string(failed.Body) != want || failed.Status != 400 {
		t.Errorf("%d %s\nwant\n%s", failed.Status, failed.Body, want)
	}
}

// smithy.io/2.0/aws/protocols/aws-query-protocol.html
func TestAFormOfTheQueryProtocolHasMembersInItsLists(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, service, operation, form string
		got, want                      any
	}{
		{"structures in a list", "sts", "AssumeRole", "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fr&RoleSessionName=s&Tags.member.1.Key=k&Tags.member.1.Value=v&DurationSeconds=900",
			&sts.AssumeRoleInput{}, &sts.AssumeRoleInput{
				RoleArn: aws.String("arn:aws:iam::111122223333:role/r"), RoleSessionName: aws.String("s"), DurationSeconds: aws.Int32(900),
				Tags: []ststypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
			}},
		{"a list in a list of structures", "iam", "SimulateCustomPolicy", "PolicyInputList.member.1=p&ActionNames.member.1=a&ContextEntries.member.1.ContextKeyName=key&ContextEntries.member.1.ContextKeyValues.member.1=x&ContextEntries.member.1.ContextKeyType=string",
			&iam.SimulateCustomPolicyInput{}, &iam.SimulateCustomPolicyInput{
				PolicyInputList: []string{"p"}, ActionNames: []string{"a"},
				ContextEntries: []iamtypes.ContextEntry{{ContextKeyName: aws.String("key"), ContextKeyValues: []string{"x"}, ContextKeyType: iamtypes.ContextKeyTypeEnumString}},
			}},
		{"a list that is empty", "iam", "TagRole", "RoleName=r&Tags=", &iam.TagRoleInput{}, &iam.TagRoleInput{RoleName: aws.String("r"), Tags: []iamtypes.Tag{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := codecOf(t, tt.service)
			if err := c.Fill(c.API().Operation(tt.operation), httptest.NewRequest("POST", "/", nil), []byte(tt.form), tt.got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.got, sameMembers()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAFormThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a number that is none":      "DurationSeconds=NaN",
		"a number too large":         "DurationSeconds=99999999999",
		"a number of another base":   "DurationSeconds=0x10",
		"an escape that is none":     "RoleArn=%zz",
		"bytes that are no text":     "RoleArn=%ff",
		"names nested without end":   strings.Repeat("a.", 1000) + "b=c",
		"a hundred thousand members": strings.Repeat("a=b&", 100000),
	}
	c := codecOf(t, "sts")
	for name, form := range tests {
		err := c.Fill(c.API().Operation("AssumeRole"), httptest.NewRequest("POST", "/", nil), []byte(form), &sts.AssumeRoleInput{})
		var e *wire.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.AsError(err); got.Code != "MalformedInput" || got.Status != 400 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// wellFormed reports whether a document is XML.
func wellFormed(text []byte) error {
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
