package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	sdktrail "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdkorgs "github.com/aws/aws-sdk-go-v2/service/organizations"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/internal/golden"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// comparable is what of a request has to come back, in a form that does not depend on
// the order of JSON members.
func comparable(g golden.Message) map[string]any {
	return map[string]any{"method": g.Method, "target": g.Target, "type": g.Header.Get("Content-Type"), "operation": g.Header.Get("X-Amz-Target"), "body": g.Content()}
}

// The SDK's modules hold one request for every operation, with every member set.
// Each that the sandbox offers has to go through its codec without loss.
func TestTheGoldenRequestsOfTheSDKDecodeAndEncodeBackToTheSame(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := &golden.Kept{}
	config := golden.Config(kept)
	clients := map[string]any{
		"kms": sdkkms.NewFromConfig(config), "iam": sdkiam.NewFromConfig(config), "sts": sdksts.NewFromConfig(config),
		"organizations": sdkorgs.NewFromConfig(config), "cloudtrail": sdktrail.NewFromConfig(config),
	}
	seen := 0
	for name, v := range s.services {
		if name == "s3" {
			continue // whose requests need a host: the codec's own test compares all of them
		}
		dir := filepath.Join(golden.ModuleDir(t, name), "request_snapshot")
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			t.Logf("the SDK's module for %s has no golden requests: its %d operations are not compared here", name, len(v.ops))
			continue
		}
		for operation, o := range v.ops {
			path := filepath.Join(dir, operation+".request.snap")
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the SDK has no request for %s:%s", name, operation)
				continue
			}
			seen++
			t.Run(name+":"+operation, func(t *testing.T) {
				want := golden.ReadRequest(t, path)
				got := kept.Again(t, clients[name], operation, decodeGolden(t, v, o, want))
				if diff := cmp.Diff(comparable(want), comparable(got)); diff != "" {
					t.Errorf("-golden +decoded and encoded again\n%s", diff)
				}
			})
		}
	}
	t.Logf("%d golden requests", seen)
}

func decodeGolden(t *testing.T, v *served, o gate.Operation, g golden.Message) any {
	t.Helper()
	in := o.New()
	if err := v.codec().Fill(v.codec().API().Operation(o.Name), g.HTTP(), []byte(g.Body), in); err != nil {
		t.Fatal(err)
	}
	return in
}
