package secretsmanager

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// DescribeSecret tells about a secret, but not its value.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html.
func (s *Service) DescribeSecret(ctx context.Context, in *secretsmanager.DescribeSecretInput) (*secretsmanager.DescribeSecretOutput, error) {
	x, err := s.secret(gate.From(ctx), *in.SecretId, true)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.DescribeSecretOutput{
		ARN: new(x.arn()), Name: &x.Name, Description: x.Description, Type: x.Type, KmsKeyId: wire.Optional(x.Key), Tags: x.shownTags(), VersionIdsToStages: x.stages(),
		CreatedDate: &x.Created, LastChangedDate: &x.Changed, LastAccessedDate: x.Accessed, DeletedDate: x.Deleted,
	}, nil
}

// listed are the secrets of the caller's account that pass all filters.
func (s *Service) listed(c *gate.Call, filters []types.Filter, deleted bool) ([]*Secret, error) {
	var list []*Secret
	for _, x := range s.secrets.All(state.Key(c.Caller.Account, c.Region, "")) {
		if x.Deleted != nil && !deleted {
			continue
		}
		passes := true
		for _, f := range filters {
			ok, err := x.passes(f)
			if err != nil {
				return nil, err
			}
			passes = passes && ok
		}
		if passes {
			list = append(list, x)
		}
	}
	return list, nil
}

// passes reports whether a secret passes a filter: one of its values has to be the
// beginning of a word of the secret's, and one with ! before it must not.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html.
func (x *Secret) passes(f types.Filter) (bool, error) {
	var texts []string
	folded := false
	add := func(more ...string) { texts = append(texts, more...) }
	tags := func(of func(Tag) string) {
		for _, t := range x.Tags {
			add(of(t))
		}
	}
	switch f.Key {
	case types.FilterNameStringTypeName:
		add(x.Name)
	case types.FilterNameStringTypeDescription:
		add(aws.ToString(x.Description))
		add(strings.Fields(aws.ToString(x.Description))...)
		folded = true
	case types.FilterNameStringTypeTagKey:
		tags(func(t Tag) string { return t.Key })
	case types.FilterNameStringTypeTagValue:
		tags(func(t Tag) string { return t.Value })
	case types.FilterNameStringTypePrimaryRegion, types.FilterNameStringTypeOwningService:
		add("")
	case types.FilterNameStringTypeAll:
		add(x.Name, aws.ToString(x.Description))
		add(strings.FieldsFunc(x.Name+" "+aws.ToString(x.Description), func(r rune) bool { return strings.ContainsRune(" -/_.", r) })...)
		tags(func(t Tag) string { return t.Key })
		tags(func(t Tag) string { return t.Value })
		folded = true
	default:
		return false, badParameter("The filter key " + string(f.Key) + " is not offered by the sandbox.") // our own text
	}
	wanted, positive := false, false
	for _, v := range f.Values {
		not := strings.HasPrefix(v, "!")
		v = strings.TrimPrefix(v, "!")
		has := slices.ContainsFunc(texts, func(t string) bool {
			if folded {
				return strings.HasPrefix(strings.ToLower(t), strings.ToLower(v))
			}
			return strings.HasPrefix(t, v)
		})
		if not && has {
			return false, nil
		}
		positive, wanted = positive || !not, wanted || !not && has
	}
	return wanted || !positive, nil
}

// ListSecrets lists secrets, the latest first unless the request says otherwise.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html.
func (s *Service) ListSecrets(ctx context.Context, in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
	found, err := s.listed(gate.From(ctx), in.Filters, set(in.IncludePlannedDeletion))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b *Secret) int {
		n := a.Created.Compare(b.Created)
		switch in.SortBy {
		case types.SortByTypeName:
			n = cmp.Compare(a.Name, b.Name)
		case types.SortByTypeLastChangedDate:
			n = a.Changed.Compare(b.Changed)
		case types.SortByTypeLastAccessedDate:
			n = timeOf(a.Accessed).Compare(timeOf(b.Accessed))
		}
		if in.SortOrder != types.SortOrderTypeAsc {
			n = -n
		}
		return n
	})
	list := []types.SecretListEntry{}
	for _, x := range found {
		list = append(list, types.SecretListEntry{
			ARN: new(x.arn()), Name: &x.Name, Description: x.Description, Type: x.Type, KmsKeyId: wire.Optional(x.Key), Tags: x.shownTags(), SecretVersionsToStages: x.stages(),
			CreatedDate: &x.Created, LastChangedDate: &x.Changed, LastAccessedDate: x.Accessed, DeletedDate: x.Deleted,
		})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &secretsmanager.ListSecretsOutput{SecretList: page, NextToken: next}, err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// ListSecretVersionIds lists versions; those without labels only when asked for.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecretVersionIds.html.
func (s *Service) ListSecretVersionIds(ctx context.Context, in *secretsmanager.ListSecretVersionIdsInput) (*secretsmanager.ListSecretVersionIdsOutput, error) {
	x, err := s.secret(gate.From(ctx), *in.SecretId, true)
	if err != nil {
		return nil, err
	}
	list := []types.SecretVersionsListEntry{}
	for i := range x.Versions {
		v := &x.Versions[i]
		if len(v.Stages) == 0 && !set(in.IncludeDeprecated) {
			continue
		}
		key := v.Key
		if x.Key == "" {
			key = "DefaultEncryptionKey"
		}
		list = append(list, types.SecretVersionsListEntry{
			VersionId: &v.ID, VersionStages: v.Stages, CreatedDate: &v.Created, LastAccessedDate: v.Accessed, KmsKeyIds: []string{key},
		})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &secretsmanager.ListSecretVersionIdsOutput{ARN: new(x.arn()), Name: &x.Name, Versions: page, NextToken: next}, err
}

// UpdateSecretVersionStage moves a label.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html.
func (s *Service) UpdateSecretVersionStage(ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	old, err := s.secret(gate.From(ctx), *in.SecretId, false)
	if err != nil {
		return nil, err
	}
	x := old.clone()
	stage, holder := *in.VersionStage, x.staged(*in.VersionStage)
	from, to := aws.ToString(in.RemoveFromVersionId), aws.ToString(in.MoveToVersionId)
	switch {
	case from == "" && to == "":
		return nil, badParameter("You must provide RemoveFromVersionId or MoveToVersionId.") // assumed text
	case to != "" && x.version(to) == nil, from != "" && x.version(from) == nil:
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.") // assumed text
	case holder != nil && holder.ID != to && from != holder.ID:
		return nil, badParameter("RemoveFromVersionId has to be " + holder.ID + ", the version that has the staging label " + stage + ".") // assumed text
	case from != "" && holder == nil:
		return nil, badParameter("Staging label " + stage + " is not attached to version " + from + ".") // assumed text
	case to == "" && stage == current:
		return nil, badParameter("You can't remove the staging label AWSCURRENT from a version without moving it to another.") // assumed text
	case to == "":
		holder.unstage(stage)
	default:
		x.move(stage, to)
	}
	x.Changed = gate.From(ctx).At
	s.secrets.Put(x.row(), x)
	return &secretsmanager.UpdateSecretVersionStageOutput{ARN: new(x.arn()), Name: &x.Name}, nil
}

// What stands on the agenda.
const ends = "secret ends"

// DeleteSecret has a secret end after its recovery window, or at once.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html.
func (s *Service) DeleteSecret(ctx context.Context, in *secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
	c := gate.From(ctx)
	force := set(in.ForceDeleteWithoutRecovery)
	days := int64(30)
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
	}
	switch {
	case force && in.RecoveryWindowInDays != nil:
		return nil, badParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.") // assumed text
	case days < 7 || days > 30:
		return nil, badParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).") // assumed text
	}
	if force && s.find(c, *in.SecretId) == nil {
		return &secretsmanager.DeleteSecretOutput{ARN: in.SecretId, Name: in.SecretId, DeletionDate: &c.At}, nil
	}
	old, err := s.secret(c, *in.SecretId, force)
	if err != nil {
		return nil, err
	}
	if force {
		s.secrets.Delete(old.row())
		return &secretsmanager.DeleteSecretOutput{ARN: new(old.arn()), Name: &old.Name, DeletionDate: &c.At}, nil
	}
	x := old.clone()
	x.Deleted, x.Gone = &c.At, new(c.At.AddDate(0, 0, int(days)))
	s.secrets.Put(x.row(), x)
	s.Agenda.Add(state.Task{At: *x.Gone, Service: s.Name(), Account: x.Account, Region: x.Region, What: ends, Subject: x.row()})
	return &secretsmanager.DeleteSecretOutput{ARN: new(x.arn()), Name: &x.Name, DeletionDate: x.Gone}, nil
}

// Due ends a secret.
func (s *Service) Due(_ context.Context, t state.Task) error {
	if x := s.secrets.Get(t.Subject); x != nil && x.Gone != nil && x.Gone.Equal(t.At) {
		s.secrets.Delete(t.Subject)
	}
	return nil
}

// RestoreSecret takes a deletion back.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RestoreSecret.html.
func (s *Service) RestoreSecret(ctx context.Context, in *secretsmanager.RestoreSecretInput) (*secretsmanager.RestoreSecretOutput, error) {
	old, err := s.secret(gate.From(ctx), *in.SecretId, true)
	if err != nil {
		return nil, err
	}
	x := old.clone()
	x.Deleted, x.Gone = nil, nil
	s.secrets.Put(x.row(), x)
	return &secretsmanager.RestoreSecretOutput{ARN: new(x.arn()), Name: &x.Name}, nil
}

// maxTags is how many tags a secret may have.
const maxTags = 50

func addTags(old []Tag, added []types.Tag) ([]Tag, error) {
	tags := slices.Clone(old)
	for _, t := range added {
		if strings.HasPrefix(strings.ToLower(aws.ToString(t.Key)), "aws:") || aws.ToString(t.Key) == "" {
			return nil, badParameter("Tag keys are not empty and do not begin with aws:.") // assumed text
		}
		tag := Tag{*t.Key, aws.ToString(t.Value)}
		if i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == tag.Key }); i >= 0 {
			tags[i] = tag
		} else {
			tags = append(tags, tag)
		}
	}
	if len(tags) > maxTags {
		return nil, badParameter("A secret has at most 50 tags.") // assumed text
	}
	return tags, nil
}

// TagResource puts tags on a secret.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_TagResource.html.
func (s *Service) TagResource(ctx context.Context, in *secretsmanager.TagResourceInput) (*secretsmanager.TagResourceOutput, error) {
	err := s.retag(ctx, *in.SecretId, func(old []Tag) ([]Tag, error) { return addTags(old, in.Tags) })
	return &secretsmanager.TagResourceOutput{}, err
}

// UntagResource takes tags away.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UntagResource.html.
func (s *Service) UntagResource(ctx context.Context, in *secretsmanager.UntagResourceInput) (*secretsmanager.UntagResourceOutput, error) {
	err := s.retag(ctx, *in.SecretId, func(old []Tag) ([]Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
	return &secretsmanager.UntagResourceOutput{}, err
}

func (s *Service) retag(ctx context.Context, id string, change func([]Tag) ([]Tag, error)) error {
	old, err := s.secret(gate.From(ctx), id, false)
	if err != nil {
		return err
	}
	x := old.clone()
	if x.Tags, err = change(old.Tags); err != nil {
		return err
	}
	s.secrets.Put(x.row(), x)
	return nil
}
