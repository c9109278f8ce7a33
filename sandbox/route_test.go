package sandbox_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// What is not offered is refused in the form that each client reads, never answered
// as something else.
func TestServicesAndOperationsThatAreNotOffered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.root(owner)
	for what, err := range map[string]error{
		"s3:GetBucketAnalyticsConfiguration": just(s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }).GetBucketAnalyticsConfiguration(t.Context(), &s3.GetBucketAnalyticsConfigurationInput{Bucket: new("bucket"), Id: new("one")})),
		"ec2:CreateVpc":                      just(ec2.NewFromConfig(c).CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})),
		"drs:ListLaunchActions":              just(drs.NewFromConfig(c).ListLaunchActions(t.Context(), &drs.ListLaunchActionsInput{ResourceId: new("s-1111111111aaaaaaa")})),
		"kms:DescribeCustomKeyStores":        just(kms.NewFromConfig(c).DescribeCustomKeyStores(t.Context(), &kms.DescribeCustomKeyStoresInput{})),
		"sts:AssumeRoleWithWebIdentity":      just(sts.NewFromConfig(c).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{RoleArn: new("arn:aws:iam::" + owner + ":role/r"), RoleSessionName: new("mine"), WebIdentityToken: new("token")})),
	} {
		if got, want := refusal(err), "NotImplemented: Keyreach's sandbox does not offer "+what+"; docs/sandbox.md lists what it offers"; got != want {
			t.Errorf("%s: %q", what, got)
		}
	}
	for _, q := range []struct{ scope, contentType, body, want string }{
		{"ec2", "application/x-www-form-urlencoded", "Action=CreateVpc&Version=2016-11-15", "<Response><Errors><Error><Code>NotImplemented</Code>"},
		{"sns", "application/x-www-form-urlencoded", "Action=ListTopics&Version=2010-03-31", "<Error><Type>Receiver</Type><Code>NotImplemented</Code>"},
		{"lambda", "application/json", "{}", `"message":"Keyreach's sandbox does not offer lambda;`},
	} {
		r := need(http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/", strings.NewReader(q.body)))(t)
		r.Header.Set("Content-Type", q.contentType)
		r.Header.Set("X-Amz-Date", "20260101T000000Z")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+owner+"/20260101/us-east-1/"+q.scope+"/aws4_request, SignedHeaders=host, Signature=0")
		res := need(w.Client().Do(r))(t)
		body := need(io.ReadAll(res.Body))(t)
		res.Body.Close()
		if res.StatusCode != http.StatusNotImplemented || !strings.Contains(string(body), q.want) {
			t.Errorf("%s: status %d, %s", q.scope, res.StatusCode, body)
		}
	}
}

// Who checks identities by presigned requests to STS may ask for JSON.
func TestSTSAnswersJSONToWhoAsksForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := need(sts.NewPresignClient(sts.NewFromConfig(w.admin(owner))).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	ask := func(accept, url string) (int, []byte) {
		r := need(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))(t)
		r.Header.Set("Accept", accept)
		res := need(w.Client().Do(r))(t)
		defer res.Body.Close()
		return res.StatusCode, need(io.ReadAll(res.Body))(t)
	}
	status, body := ask("application/json", signed.URL)
	var in struct {
		GetCallerIdentityResponse struct {
			GetCallerIdentityResult struct{ Account, Arn, UserId string }
			ResponseMetadata        struct{ RequestId string }
		}
	}
	if err := json.Unmarshal(body, &in); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %s: %v", status, body, err)
	}
	if got := in.GetCallerIdentityResponse; got.GetCallerIdentityResult.Arn != "arn:aws:iam::"+owner+":user/world-admin" || got.ResponseMetadata.RequestId == "" {
		t.Errorf("the answer is %s", body)
	}
	if _, body := ask("*/*", signed.URL); xml.Unmarshal(body, new(struct{ GetCallerIdentityResult struct{ Arn string } })) != nil {
		t.Errorf("the answer to others is %s", body)
	}
	status, body = ask("application/json", strings.Replace(signed.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1))
	if !strings.HasPrefix(string(body), `{"Error":{"Code":"SignatureDoesNotMatch",`) || status != http.StatusForbidden {
		t.Errorf("of a wrong signature: status %d, %s", status, body)
	}
}
