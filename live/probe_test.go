package live_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/live"
)

func TestKMSIsAskedWithDryRuns(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const reader = "arn:aws:iam::" + first + ":role/Reader"
	as := s.reading(allowing("kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptTo", "kms:CreateGrant", "kms:Encrypt", "kms:GenerateDataKey"))
	off := *need(kms.NewFromConfig(s.Root(first, home)).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.Arn
	need(kms.NewFromConfig(s.Root(first, home)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &off}))(t)
	grants := func() int {
		return len(need(kms.NewFromConfig(s.Root(first, home)).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &s.key}))(t).Grants)
	}
	before := grants()
	tests := map[string]struct {
		probe  live.Probe
		want   live.Proved
		allows bool
		says   string
	}{
		"what the policy allows":       {live.Probe{Action: "kms:Decrypt"}, live.ProvedLive, true, "DryRunOperationException"},
		"what it does not":             {live.Probe{Action: "kms:GenerateDataKeyWithoutPlaintext"}, live.ProvedLive, false, "not authorized to perform: kms:GenerateDataKeyWithoutPlaintext"},
		"encrypting":                   {live.Probe{Action: "kms:Encrypt", Context: map[string]string{"a": "b"}}, live.ProvedLive, true, "DryRun"},
		"a data key":                   {live.Probe{Action: "kms:GenerateDataKey"}, live.ProvedLive, true, "DryRun"},
		"a grant":                      {live.Probe{Action: "kms:CreateGrant", Grants: []string{"Decrypt"}}, live.ProvedLive, true, "DryRun"},
		"looking up":                   {live.Probe{Action: "kms:DescribeKey"}, live.ProvedLive, true, "allows"},
		"one half of a re-encryption":  {live.Probe{Action: "kms:ReEncryptFrom"}, live.ProvedLive, false, "kms:ReEncryptFrom"},
		"the half that is not refused": {live.Probe{Action: "kms:ReEncryptTo"}, live.ProvedByPolicy, false, "kms:ReEncryptFrom"},
		"a key that is off":            {live.Probe{Action: "kms:Decrypt", Key: off}, live.ProvedLive, false, "DisabledException"},
		"through a service":            {live.Probe{Action: "kms:Decrypt", Via: "ec2"}, live.NotProvable, false, "only ec2"},
		"a context nobody knows":       {live.Probe{Action: "kms:Decrypt", Context: map[string]string{"aws:ebs:id": "?"}}, live.NotProvable, false, "aws:ebs:id"},
		"no dry run":                   {live.Probe{Action: "kms:ListGrants"}, live.ProvedByPolicy, false, "no dry run of kms:ListGrants"},
		"no key":                       {live.Probe{Action: "kms:Decrypt", Key: "alias/x"}, live.NotProvable, false, "which key"},
		"a service-linked role": {live.Probe{Action: "kms:Decrypt", Caller: "arn:aws:iam::" + first + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"}, live.NotProvable, false,
			"nobody can act as"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := tt.probe
			p.Account = first
			if p.Caller == "" {
				p.Caller = reader
			}
			if p.Key == "" {
				p.Key = s.key
			}
			got := need(as.Probe(t.Context(), p))(t)
			if got.Proved != tt.want || got.Allowed != tt.allows || !strings.Contains(got.Text, tt.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
	if after := grants(); after != before {
		t.Errorf("there were %d grants, and are %d", before, after)
	}
}

func TestACancelledProbeIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if a, err := roots(s.Server, nil).Probe(ctx, live.Probe{Account: first, Caller: "arn:aws:iam::" + first + ":user/ann", Action: "kms:Decrypt", Key: s.key}); err == nil {
		t.Errorf("it is %+v", a)
	}
}
