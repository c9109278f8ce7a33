package ssm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Limits of parameters.
// See https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
// and https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html.
const (
	standardSize = 4096
	advancedSize = 8192
	maxLevels    = 15
	maxVersions  = 100
)

const defaultKey = "alias/aws/ssm"

// nameForm is the form of names.
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)

// checkName refuses names that AWS refuses. The texts are assumed but for the form.
func checkName(name string) error {
	first := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case !nameForm.MatchString(name):
		return invalid("Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_")
	case strings.HasPrefix(first, "aws"):
		return refuse("AccessDeniedException", "No access to reserved parameter name: "+name+".")
	case strings.HasPrefix(first, "ssm"):
		return invalid("Parameter name: can't be prefixed with \"ssm\" (case-insensitive).")
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return invalid("Parameter name must be a fully qualified name.")
	case strings.HasSuffix(name, "/") || strings.Contains(name, "//"):
		return invalid("The parameter name has an empty level.")
	case strings.Count(strings.TrimPrefix(name, "/"), "/") >= maxLevels:
		return refuse("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")
	}
	return nil
}

// PutParameter makes a parameter, or gives one a new version.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html.
func (s *Service) PutParameter(ctx context.Context, in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	c := gate.From(ctx)
	r := s.resolve(c, *in.Name)
	p := &Parameter{Account: r.account, Region: c.Region, Name: r.name}
	if r.account != c.Caller.Account || r.selector != "" {
		return nil, invalid("A parameter is put by its name, in its own account.") // assumed text
	}
	if err := checkName(p.Name); err != nil {
		return nil, err
	}
	v := Version{Number: 1, Type: in.Type, Tier: types.ParameterTierStandard, DataType: "text", At: c.At, By: c.Caller.Text}
	if old := s.parameters.Get(p.row()); old != nil {
		last := old.latest()
		if err := mayOverwrite(last, in); err != nil {
			return nil, err
		}
		p = old.clone()
		v.Number, v.Type, v.Tier, v.DataType, v.Description, v.Pattern, v.KeyID = last.Number+1, last.Type, last.Tier, last.DataType, last.Description, last.Pattern, last.KeyID
	} else if in.Type == "" {
		return nil, invalid("A parameter type is required when you create a parameter.") // assumed text
	}
	if err := v.take(in); err != nil {
		return nil, err
	}
	var err error
	if p.Tags, err = addTags(p.Tags, in.Tags); err != nil {
		return nil, err
	}
	if err := s.seal(ctx, p, &v, *in.Value); err != nil {
		return nil, err
	}
	if err := p.add(v); err != nil {
		return nil, err
	}
	s.parameters.Put(p.row(), p)
	return &ssm.PutParameterOutput{Version: v.Number, Tier: v.Tier}, nil
}

// mayOverwrite refuses what AWS does not change. That a parameter is there, and its tier,
// is told as users report it (https://github.com/aws-ia/terraform-aws-control_tower_account_factory/issues/166,
// https://github.com/go-to-k/cdk-real-drift/pull/408); other texts are assumed.
func mayOverwrite(last *Version, in *ssm.PutParameterInput) error {
	switch {
	case !set(in.Overwrite):
		return refuse("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case len(in.Tags) > 0:
		return invalid("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	case in.Type != "" && in.Type != last.Type && (last.secure() || in.Type == types.ParameterTypeSecureString):
		return refuse("HierarchyTypeMismatchException", "Parameter Store does not support changing a parameter from "+string(last.Type)+" to "+string(in.Type)+".")
	case in.Tier == types.ParameterTierStandard && last.Tier == types.ParameterTierAdvanced:
		return invalid("This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.")
	}
	return nil
}

// take gives a version what a request says, and checks it. The texts are assumed.
func (v *Version) take(in *ssm.PutParameterInput) error {
	if in.Type != "" {
		v.Type = in.Type
	}
	if in.Description != nil {
		v.Description = in.Description
	}
	if in.AllowedPattern != nil {
		v.Pattern = wire.Optional(*in.AllowedPattern)
	}
	if in.DataType != nil {
		v.DataType = *in.DataType
	}
	size := len(*in.Value)
	if in.Tier == types.ParameterTierAdvanced || in.Tier == types.ParameterTierIntelligentTiering && size > standardSize {
		v.Tier = types.ParameterTierAdvanced
	}
	switch {
	case aws.ToString(in.Policies) != "" && *in.Policies != "[]" && *in.Policies != "{}":
		return refuse("InvalidPolicyTypeException", "The sandbox has no parameter policies.") // our own text
	case v.DataType != "text" && v.DataType != "aws:ec2:image" && v.DataType != "aws:ssm:integration":
		return invalid("The data type " + v.DataType + " is not supported.") // assumed text
	case in.KeyId != nil && !v.secure():
		return invalid("KeyId is required for SecureString type parameter only.")
	case size == 0:
		return invalid("Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.") // assumed text
	case v.Tier == types.ParameterTierStandard && size > standardSize:
		return invalid("Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html")
	case size > advancedSize:
		return invalid("Advanced tier parameters support a maximum parameter value of 8192 characters.") // assumed text
	}
	if v.secure() {
		if in.KeyId != nil {
			v.KeyID = *in.KeyId
		} else if v.KeyID == "" {
			v.KeyID = defaultKey
		}
	}
	return v.fits(*in.Value)
}

// fits holds a value against the allowed pattern.
func (v *Version) fits(value string) error {
	if v.Pattern == nil {
		return nil
	}
	form, err := regexp.Compile(*v.Pattern)
	if err != nil {
		return refuse("InvalidAllowedPatternException", "The request does not meet the regular expression requirement: "+*v.Pattern) // assumed text
	}
	if !form.MatchString(value) {
		return refuse("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: "+*v.Pattern) // assumed text
	}
	return nil
}

// add puts a version after the others. Of too many the oldest goes, unless it has a
// label, of which the API reference tells the text.
func (p *Parameter) add(v Version) error {
	if len(p.Versions) >= maxVersions {
		if len(p.Versions[0].Labels) > 0 {
			return refuse("ParameterMaxVersionLimitExceeded", fmt.Sprintf("You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.", p.Name, p.Versions[0].Number))
		}
		p.Versions = slices.Delete(p.Versions, 0, 1)
	}
	p.Versions = append(p.Versions, v)
	return nil
}

// keyARN is the ARN of a key as the caller names it.
func keyARN(c *gate.Call, id string) string {
	switch {
	case strings.HasPrefix(id, "arn:"):
		return id
	case strings.HasPrefix(id, "alias/"):
		return behalf.ARN("kms", c.Region, c.Caller.Account, id)
	}
	return behalf.ARN("kms", c.Region, c.Caller.Account, "key/", id)
}

// seal puts the value into a version: encrypted under the key itself in the standard
// tier, under a data key in the advanced one. AWS's encryption SDK adds a public key to
// the encryption context of the latter; the sandbox does not.
// See https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html.
func (s *Service) seal(ctx context.Context, p *Parameter, v *Version, value string) error {
	if !v.secure() {
		v.Value = value
		return nil
	}
	scenario := "standard"
	if v.Tier == types.ParameterTierAdvanced {
		scenario = "advanced"
	}
	made, err := s.Agent.Use(ctx, "ssm:PutParameter", scenario, map[string]behalf.Key{
		"parameter": {ARN: keyARN(gate.From(ctx), v.KeyID), Context: contextOf(p), Plain: true, Text: []byte(value)},
	})
	if err != nil {
		return keyRefused(err)
	}
	v.Blob, v.Key = made.Blobs["parameter"], made.Keys["parameter"]
	if scenario == "advanced" {
		v.Sealed, err = behalf.Seal(made.Plain["parameter"], []byte(value), p.arn())
	}
	return err
}

// open decrypts the value of a version, as the caller.
func (s *Service) open(ctx context.Context, p *Parameter, v *Version) (string, error) {
	if !v.secure() {
		return v.Value, nil
	}
	if !gate.From(ctx).Writing {
		return "", gate.ErrUpdate // a key is used
	}
	made, err := s.Agent.Use(ctx, "ssm:GetParameter", "", map[string]behalf.Key{
		"parameter": {ARN: v.Key, Context: contextOf(p), Blob: v.Blob, Plain: true},
	})
	if err != nil {
		return "", keyRefused(err)
	}
	plain := made.Plain["parameter"]
	if v.Sealed != nil {
		if plain, err = behalf.Open(plain, v.Sealed, p.arn()); err != nil {
			return "", err
		}
	}
	return string(plain), nil
}

func contextOf(p *Parameter) map[string]string {
	return map[string]string{"PARAMETER_ARN": p.arn()}
}

// keyRefused repeats what KMS says, as users report it
// (https://github.com/binxio/aws-ssm-copy/issues/10,
// https://github.com/Droplr/aws-env/issues/29).
func keyRefused(err error) error {
	var denied *gate.Denied
	if errors.As(err, &denied) {
		return refuse("AccessDeniedException", denied.Text+" (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)")
	}
	var e *wire.Error
	if !errors.As(err, &e) {
		return err
	}
	return refuse("InvalidKeyId", e.Message+" (Service: AWSKMS; Status Code: 400; Error Code: "+e.Code+")")
}
