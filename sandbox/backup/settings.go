package backup

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// GlobalSettings are what an organization's management account chose for all of it.
type GlobalSettings struct {
	Values map[string]string
	At     time.Time
}

// RegionSettings are which types of resources an account backs up in a Region.
type RegionSettings struct {
	OptIn, Manage map[string]bool
}

// crossAccount is the setting by which accounts of an organization may copy into each
// other's vaults.
const crossAccount = "isCrossAccountBackupEnabled"

// globalDefaults are the settings that there are, as they are at first.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateGlobalSettings.html.
func globalDefaults() map[string]string {
	return map[string]string{crossAccount: "false", "isMpaEnabled": "false", "isDelegatedAdministratorEnabled": "false"}
}

// backedUp are the types of resources that AWS Backup knows.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetSupportedResourceTypes.html.
func backedUp() []string {
	return []string{
		"Aurora", "CloudFormation", "DocumentDB", "DSQL", "DynamoDB", "EBS", "EC2", "EFS", "EKS", "FSx", "Neptune", "RDS", "Redshift", "Redshift Serverless",
		"S3", "SAP HANA on Amazon EC2", "Storage Gateway", "Timestream", "VirtualMachine",
	}
}

func (s *Service) settingOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onAny[backup.DescribeGlobalSettingsInput]("DescribeGlobalSettings"), s.DescribeGlobalSettings),
		gate.Op(gate.Writes, onAny[backup.UpdateGlobalSettingsInput]("UpdateGlobalSettings"), s.UpdateGlobalSettings),
		gate.Op(gate.Reads, onAny[backup.DescribeRegionSettingsInput]("DescribeRegionSettings"), s.DescribeRegionSettings),
		gate.Op(gate.Writes, onAny[backup.UpdateRegionSettingsInput]("UpdateRegionSettings"), s.UpdateRegionSettings),
		gate.Op(gate.Reads, onAny[backup.GetSupportedResourceTypesInput]("GetSupportedResourceTypes"), s.GetSupportedResourceTypes),
	}
}

// organization is that of the caller's account.
func (s *Service) organization(c *gate.Call) (string, error) {
	id := s.Organizations.Standing(c.Caller.Account).Place.Organization
	if id == "" {
		return "", invalidRequest("The account is not a member of an organization.") // assumed text
	}
	return id, nil
}

// globalOf are the settings of an organization.
func (s *Service) globalOf(organization string) *GlobalSettings {
	if g := s.global.Get(organization); g != nil {
		return g
	}
	return &GlobalSettings{Values: globalDefaults()}
}

// DescribeGlobalSettings tells what the organization chose.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeGlobalSettings.html.
func (s *Service) DescribeGlobalSettings(ctx context.Context, _ *backup.DescribeGlobalSettingsInput) (*backup.DescribeGlobalSettingsOutput, error) {
	id, err := s.organization(gate.From(ctx))
	if err != nil {
		return nil, err
	}
	g := s.globalOf(id)
	out := &backup.DescribeGlobalSettingsOutput{GlobalSettings: maps.Clone(g.Values)}
	if !g.At.IsZero() {
		out.LastUpdateTime = &g.At
	}
	return out, nil
}

// UpdateGlobalSettings chooses for the organization, as its management account.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateGlobalSettings.html.
func (s *Service) UpdateGlobalSettings(ctx context.Context, in *backup.UpdateGlobalSettingsInput) (*backup.UpdateGlobalSettingsOutput, error) {
	c := gate.From(ctx)
	id, err := s.organization(c)
	if err != nil {
		return nil, err
	}
	if !s.Organizations.Manages(c.Caller.Account) {
		return nil, invalidRequest("Global settings can be updated only by the management account of an organization.") // assumed text
	}
	g := &GlobalSettings{Values: maps.Clone(s.globalOf(id).Values), At: c.At}
	for name, value := range in.GlobalSettings {
		if _, known := g.Values[name]; !known || value != "true" && value != "false" {
			return nil, invalidValue("Invalid global setting: " + name + " = " + value) // assumed text
		}
		g.Values[name] = value
	}
	s.global.Put(id, g)
	return &backup.UpdateGlobalSettingsOutput{}, nil
}

// regionOf are the settings of the caller's account in the Region. At first every type
// is backed up: assumed, it depends on when a type was added.
func (s *Service) regionOf(c *gate.Call) *RegionSettings {
	if r := s.regional.Get(row(c, "")); r != nil {
		return r
	}
	r := &RegionSettings{OptIn: map[string]bool{}, Manage: map[string]bool{"DynamoDB": false, "EFS": false}}
	for _, name := range backedUp() {
		r.OptIn[name] = true
	}
	return r
}

// DescribeRegionSettings tells which types of resources are backed up.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRegionSettings.html.
func (s *Service) DescribeRegionSettings(ctx context.Context, _ *backup.DescribeRegionSettingsInput) (*backup.DescribeRegionSettingsOutput, error) {
	r := s.regionOf(gate.From(ctx))
	return &backup.DescribeRegionSettingsOutput{ResourceTypeOptInPreference: maps.Clone(r.OptIn), ResourceTypeManagementPreference: maps.Clone(r.Manage)}, nil
}

// UpdateRegionSettings chooses which types of resources are backed up. Jobs that name
// their resource do not ask for it.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateRegionSettings.html.
func (s *Service) UpdateRegionSettings(ctx context.Context, in *backup.UpdateRegionSettingsInput) (*backup.UpdateRegionSettingsOutput, error) {
	c := gate.From(ctx)
	old := s.regionOf(c)
	r := &RegionSettings{OptIn: maps.Clone(old.OptIn), Manage: maps.Clone(old.Manage)}
	for name, on := range in.ResourceTypeOptInPreference {
		if !slices.Contains(backedUp(), name) {
			return nil, invalidValue("Unsupported resource type: " + name) // assumed text
		}
		r.OptIn[name] = on
	}
	maps.Copy(r.Manage, in.ResourceTypeManagementPreference)
	s.regional.Put(row(c, ""), r)
	return &backup.UpdateRegionSettingsOutput{}, nil
}

// GetSupportedResourceTypes lists the types of resources that AWS Backup knows. Which of
// them the sandbox backs up stands in its documentation.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetSupportedResourceTypes.html.
func (s *Service) GetSupportedResourceTypes(context.Context, *backup.GetSupportedResourceTypesInput) (*backup.GetSupportedResourceTypesOutput, error) {
	return &backup.GetSupportedResourceTypesOutput{ResourceTypes: backedUp()}, nil
}
