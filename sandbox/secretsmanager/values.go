package secretsmanager

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// versionID is the id of a new version: the token of the request.
func (s *Service) versionID(token *string) string {
	if token != nil && *token != "" {
		return *token
	}
	return s.IDs.UUID()
}

// CreateSecret makes a secret, with a first version when it is given a value. A request
// that is repeated with its token makes nothing.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html.
func (s *Service) CreateSecret(ctx context.Context, in *secretsmanager.CreateSecretInput) (*secretsmanager.CreateSecretOutput, error) {
	c := gate.From(ctx)
	v, err := contentOf(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if len(in.AddReplicaRegions) > 0 {
		return nil, badRequest("The sandbox replicates no secrets.") // our own text
	}
	if old := s.secrets.Get(state.Key(c.Caller.Account, c.Region, *in.Name)); old != nil {
		if same := old.version(aws.ToString(in.ClientRequestToken)); same != nil && v != nil && old.Deleted == nil && bytes.Equal(same.Print, v.print(old, same.ID)) {
			return &secretsmanager.CreateSecretOutput{ARN: new(old.arn()), Name: &old.Name, VersionId: &same.ID}, nil
		}
		if old.Deleted != nil {
			return nil, badRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
		}
		return nil, refuse("ResourceExistsException", "The operation failed because the secret "+*in.Name+" already exists.") // assumed text
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	x := &Secret{
		Account: c.Caller.Account, Region: c.Region, Name: *in.Name, Suffix: suffix(s.IDs.Bytes(6)), Description: in.Description, Type: in.Type,
		Key: keyOf(in.KmsKeyId), Tags: tags, Created: c.At, Changed: c.At,
	}
	out := &secretsmanager.CreateSecretOutput{ARN: new(x.arn()), Name: &x.Name}
	if v != nil {
		made, err := s.seal(ctx, "CreateSecret", x, s.versionID(in.ClientRequestToken), v)
		if err != nil {
			return nil, err
		}
		made.Stages = []string{current}
		x.Versions, out.VersionId = []Version{*made}, &made.ID
	}
	s.secrets.Put(x.row(), x)
	return out, nil
}

// suffix is six letters and digits.
func suffix(b []byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// keyOf is the key that a request names; empty for AWS's own.
func keyOf(id *string) string {
	if aws.ToString(id) == "alias/aws/secretsmanager" {
		return ""
	}
	return aws.ToString(id)
}

// add gives a secret a new version. One with the same id and value is there already.
func (s *Service) add(ctx context.Context, operation string, x *Secret, token *string, v *content, stages []string) (*Version, error) {
	id := s.versionID(token)
	if same := x.version(id); same != nil {
		if bytes.Equal(same.Print, v.print(x, id)) {
			return same, nil
		}
		return nil, refuse("ResourceExistsException", "You can't use ClientRequestToken "+id+" because that value is already in use for a version of secret "+x.arn()+".") // assumed text
	}
	made, err := s.seal(ctx, operation, x, id, v)
	if err != nil {
		return nil, err
	}
	x.Versions = append(x.Versions, *made)
	for _, stage := range stages {
		x.move(stage, id)
	}
	if x.staged(current) == nil {
		x.move(current, id) // of the first
	}
	x.Changed = gate.From(ctx).At
	x.trim()
	return x.version(id), nil
}

// PutSecretValue gives a secret a new version, which becomes the current one unless
// other labels are given.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html.
func (s *Service) PutSecretValue(ctx context.Context, in *secretsmanager.PutSecretValueInput) (*secretsmanager.PutSecretValueOutput, error) {
	old, err := s.secret(gate.From(ctx), *in.SecretId, false)
	if err != nil {
		return nil, err
	}
	v, err := contentOf(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, badRequest("You must provide either SecretString or SecretBinary.") // assumed text
	}
	stages := in.VersionStages
	if len(stages) == 0 {
		stages = []string{current}
	}
	x := old.clone()
	made, err := s.add(ctx, "PutSecretValue", x, in.ClientRequestToken, v, stages)
	if err != nil {
		return nil, err
	}
	s.secrets.Put(x.row(), x)
	return &secretsmanager.PutSecretValueOutput{ARN: new(x.arn()), Name: &x.Name, VersionId: &made.ID, VersionStages: made.Stages}, nil
}

// UpdateSecret changes a secret, and gives it a new version when it is given a value. A
// new key counts for versions with AWS's labels too, as far as the caller may use both
// keys; otherwise they stay under the old one.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html.
func (s *Service) UpdateSecret(ctx context.Context, in *secretsmanager.UpdateSecretInput) (*secretsmanager.UpdateSecretOutput, error) {
	old, err := s.secret(gate.From(ctx), *in.SecretId, false)
	if err != nil {
		return nil, err
	}
	v, err := contentOf(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	x := old.clone()
	if in.Description != nil {
		x.Description = in.Description
	}
	if in.Type != nil {
		x.Type = in.Type
	}
	if in.KmsKeyId != nil && keyOf(in.KmsKeyId) != x.Key {
		x.Key = keyOf(in.KmsKeyId)
		s.rewrite(ctx, x)
	}
	x.Changed = gate.From(ctx).At
	out := &secretsmanager.UpdateSecretOutput{ARN: new(x.arn()), Name: &x.Name}
	if v != nil {
		made, err := s.add(ctx, "UpdateSecret", x, in.ClientRequestToken, v, []string{current})
		if err != nil {
			return nil, err
		}
		out.VersionId = &made.ID
	}
	s.secrets.Put(x.row(), x)
	return out, nil
}

// rewrite writes the versions with AWS's labels under the secret's key.
func (s *Service) rewrite(ctx context.Context, x *Secret) {
	for i := range x.Versions {
		v := &x.Versions[i]
		if !slices.ContainsFunc(v.Stages, func(stage string) bool { return slices.Contains([]string{current, previous, "AWSPENDING"}, stage) }) {
			continue
		}
		plain, err := s.open(ctx, x, v)
		if err != nil {
			continue
		}
		made, err := s.seal(ctx, "UpdateSecret", x, v.ID, plain)
		if err != nil {
			continue
		}
		v.Key, v.Blob, v.Sealed = made.Key, made.Blob, made.Sealed
	}
}

// chosen is the version that a request asks for.
func (x *Secret) chosen(id, stage *string) (*Version, error) {
	const none = "Secrets Manager can't find the specified secret value for " // assumed text
	if id != nil {
		v := x.version(*id)
		if v == nil {
			return nil, refuse("ResourceNotFoundException", none+"VersionId: "+*id)
		}
		if stage != nil && !slices.Contains(v.Stages, *stage) {
			return nil, badRequest("You provided a VersionStage that is not associated to the provided VersionId.") // assumed text
		}
		return v, nil
	}
	wanted := current
	if stage != nil {
		wanted = *stage
	}
	v := x.staged(wanted)
	if v == nil {
		return nil, refuse("ResourceNotFoundException", none+"staging label: "+wanted)
	}
	return v, nil
}

// read opens a version, and notes the day.
func (s *Service) read(ctx context.Context, x *Secret, v *Version) (*content, error) {
	c := gate.From(ctx)
	if !c.Writing {
		return nil, gate.ErrUpdate // keys are used, and the day of the access is kept
	}
	plain, err := s.open(ctx, x, v)
	if err != nil {
		return nil, err
	}
	day := c.At.Truncate(24 * time.Hour)
	if v.Accessed == nil || !v.Accessed.Equal(day) {
		noted := x.clone()
		noted.Accessed, noted.version(v.ID).Accessed = &day, &day
		s.secrets.Put(noted.row(), noted)
	}
	return plain, nil
}

// GetSecretValue tells the value of a version, the current one if none is named.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html.
func (s *Service) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	x, err := s.secret(gate.From(ctx), *in.SecretId, false)
	if err != nil {
		return nil, err
	}
	v, err := x.chosen(in.VersionId, in.VersionStage)
	if err != nil {
		return nil, err
	}
	plain, err := s.read(ctx, x, v)
	if err != nil {
		return nil, err
	}
	out := &secretsmanager.GetSecretValueOutput{ARN: new(x.arn()), Name: &x.Name, VersionId: &v.ID, VersionStages: v.Stages, CreatedDate: &v.Created}
	out.SecretString, out.SecretBinary = plain.parts()
	return out, nil
}

func (v *content) parts() (*string, []byte) {
	if v.binary {
		return nil, v.bytes
	}
	return new(string(v.bytes)), nil
}

// BatchGetSecretValue tells the current values of several secrets. The caller needs the
// right to read each; one that is refused is told among the errors.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html.
func (s *Service) BatchGetSecretValue(ctx context.Context, in *secretsmanager.BatchGetSecretValueInput) (*secretsmanager.BatchGetSecretValueOutput, error) {
	c := gate.From(ctx)
	if (len(in.SecretIdList) > 0) == (len(in.Filters) > 0) {
		return nil, badParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.") // assumed text
	}
	if !c.Writing {
		return nil, gate.ErrUpdate
	}
	ids, next := in.SecretIdList, (*string)(nil)
	if len(ids) == 0 {
		listed, err := s.listed(c, in.Filters, false)
		if err != nil {
			return nil, err
		}
		for _, x := range listed {
			ids = append(ids, x.arn())
		}
		if ids, next, err = paged(ids, in.NextToken, in.MaxResults); err != nil {
			return nil, err
		}
	}
	out := &secretsmanager.BatchGetSecretValueOutput{NextToken: next, Errors: []types.APIErrorType{}, SecretValues: []types.SecretValueEntry{}}
	for _, id := range ids {
		err := s.DB.Try(func() error {
			if err := s.Gate.Authorize(c, []gate.Ask{s.ask(c, "GetSecretValue", id, nil)}); err != nil {
				return err
			}
			got, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
			if err == nil {
				out.SecretValues = append(out.SecretValues, types.SecretValueEntry{
					ARN: got.ARN, Name: got.Name, VersionId: got.VersionId, VersionStages: got.VersionStages, CreatedDate: got.CreatedDate,
					SecretString: got.SecretString, SecretBinary: got.SecretBinary,
				})
			}
			return err
		})
		if err == nil {
			continue
		}
		e, refused := (*wire.Error)(nil), (*gate.Denied)(nil)
		switch {
		case errors.As(err, &refused):
			e = &wire.Error{Code: "AccessDeniedException", Message: refused.Text}
		case !errors.As(err, &e):
			return nil, err
		}
		out.Errors = append(out.Errors, types.APIErrorType{SecretId: &id, ErrorCode: &e.Code, Message: &e.Message})
	}
	return out, nil
}
