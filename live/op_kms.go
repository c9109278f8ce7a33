package live

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

func (c *Cloud) currentAlias(ctx context.Context, o *estate.Alias) (*estate.Alias, error) {
	k, err := c.atKMS(ctx, o.Account, o.Region)
	if err != nil {
		return nil, err
	}
	was := &estate.Alias{Name: o.Name, Account: o.Account, Region: o.Region}
	in := &kms.ListAliasesInput{Limit: new(int32(100))}
	for {
		out, err := opAsk(ctx, k.opPlace, "kms:ListAliases", k.api.ListAliases, in)
		if err != nil {
			return nil, err
		}
		for i := range out.Aliases {
			if a := &out.Aliases[i]; aws.ToString(a.AliasName) == o.Name && a.TargetKeyId != nil {
				was.Key = opKeyARN(o.Account, o.Region, *a.TargetKeyId)
				return was, nil
			}
		}
		if !out.Truncated {
			return was, nil
		}
		in.Marker = out.NextMarker
	}
}

// keyARN is the ARN of a key of which KMS tells the id.
func opKeyARN(account, region, id string) string {
	return arn.ARN{Partition: awsfacts.PartitionName(region), Service: "kms", Region: region, Account: account, Resource: "key/" + id}.String()
}

func (c *Cloud) putAlias(ctx context.Context, o *estate.Alias) error {
	was, err := c.currentAlias(ctx, o)
	if err != nil || was.Key == o.Key {
		return err
	}
	k, err := c.atKMS(ctx, o.Account, o.Region)
	switch {
	case err != nil:
		return err
	case o.Key == "":
		return opDone(opTell(ctx, k.opPlace, "kms:DeleteAlias", k.api.DeleteAlias, &kms.DeleteAliasInput{AliasName: &o.Name}), cloud.NotFound)
	case was.Key == "":
		return opTell(ctx, k.opPlace, "kms:CreateAlias", k.api.CreateAlias, &kms.CreateAliasInput{AliasName: &o.Name, TargetKeyId: &o.Key})
	}
	return opTell(ctx, k.opPlace, "kms:UpdateAlias", k.api.UpdateAlias, &kms.UpdateAliasInput{AliasName: &o.Name, TargetKeyId: &o.Key})
}

// currentRotation says off also of a key of a kind that KMS does not rotate.
func (c *Cloud) currentRotation(ctx context.Context, o *estate.Rotation) (*estate.Rotation, error) {
	k, err := c.atKey(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	was := &estate.Rotation{Key: o.Key}
	out, err := opAsk(ctx, k.opPlace, "kms:GetKeyRotationStatus", k.api.GetKeyRotationStatus, &kms.GetKeyRotationStatusInput{KeyId: &o.Key})
	switch {
	case opCode(err) == "UnsupportedOperationException":
		return was, nil
	case err != nil:
		return nil, err
	}
	was.On = out.KeyRotationEnabled
	return was, nil
}

// setRotation leaves rotation that is on as it is: enabling it again would put AWS's
// yearly period in the place of another one.
func (c *Cloud) setRotation(ctx context.Context, o *estate.Rotation) error {
	was, err := c.currentRotation(ctx, o)
	if err != nil || was.On == o.On {
		return err
	}
	k, err := c.atKey(ctx, o.Key)
	if err != nil {
		return err
	}
	if o.On {
		return opTell(ctx, k.opPlace, "kms:EnableKeyRotation", k.api.EnableKeyRotation, &kms.EnableKeyRotationInput{KeyId: &o.Key})
	}
	return opTell(ctx, k.opPlace, "kms:DisableKeyRotation", k.api.DisableKeyRotation, &kms.DisableKeyRotationInput{KeyId: &o.Key})
}
