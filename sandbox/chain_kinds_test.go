package sandbox_test

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/route"
)

func kmsOperation(name string) types.GrantOperation { return types.GrantOperation(name) }

// chains are the route kinds, some with several consumers.
func chains() []chain {
	return slices.Concat([]chain{
		envelopeChain(), ebsChain(), amiChain(), autoScalingChain(), karpenterChain(), fleetChain(), spotChain(), rdsChain(), auroraChain(),
		backupChain(), replicationChain(), secretChain(), vaultChain(),
	}, drsChains())
}

// steps perform the steps of a route, by name.
type steps = map[string]func(*journey, *route.StepProof) error

// accountsOfChains declares the two accounts of every chain.
const accountsOfChains = `format_version: 1
accounts:
  owner: {id: "111122223333", region: us-east-1, access: {profile: owner}, actor: {role: Owner}}
  consumer: {id: "444455556666", region: us-east-1, access: {profile: consumer}, actor: {role: Consumer}}
routes:
  - name: chain
`

func envelopeChain() chain {
	return chain{
		name: "envelope",
		file: accountsOfChains + `    kind: envelope
    vault: {account: owner, key: "OWNER_KEY"}
    hosts: [{account: owner}]
    openers: [{account: consumer}]
`,
		steps: steps{
			"seal": func(j *journey, s *route.StepProof) error {
				out, err := kms.NewFromConfig(j.as(s.Actor)).GenerateDataKey(j.Context(), &kms.GenerateDataKeyInput{KeyId: &j.keys[0], KeySpec: types.DataKeySpecAes256})
				if err == nil {
					j.made["sealed"] = string(out.CiphertextBlob)
				}
				return err
			},
			"open": func(j *journey, s *route.StepProof) error {
				_, err := kms.NewFromConfig(j.as(s.Actor)).Decrypt(j.Context(), &kms.DecryptInput{KeyId: &j.keys[0], CiphertextBlob: []byte(j.made["sealed"])})
				return err
			},
		},
	}
}
