package drs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
)

// The types of DRS's resources in an estate, and their attributes.
const (
	templateType = "drs:ReplicationConfigurationTemplate"
	serverType   = "drs:SourceServer"

	encryptionIs  = "ebsEncryption"
	extensionIs   = "stagingArea.status"
	stagedAs      = "stagingArea.stagingSourceServerArn"
	replicationIs = "dataReplicationInfo.dataReplicationState"
)

// Resources are the settings and the source servers, as an estate has them.
func (s *Service) Resources(time.Time) []estate.Resource {
	var list []estate.Resource
	for _, t := range s.templates.All("") {
		a, err := arn.Parse(*t.Arn)
		if err != nil {
			continue // the sandbox made it
		}
		list = append(list, estate.Resource{
			Type: templateType, ID: *t.ReplicationConfigurationTemplateID, ARN: *t.Arn, Account: a.Account, Region: a.Region,
			Key: aws.ToString(t.EbsEncryptionKeyArn), Attributes: map[string]string{encryptionIs: string(t.EbsEncryption)},
		})
	}
	for _, v := range s.servers.All("") {
		status := types.ExtensionStatusNotExtended
		if v.Staging != nil {
			status = v.Staging.Status
		}
		r := estate.Resource{
			Type: serverType, ID: v.ID, ARN: v.arn(), Account: v.Account, Region: v.Region,
			Attributes: map[string]string{extensionIs: string(status), replicationIs: string(v.State), encryptionIs: string(v.Replication.EbsEncryption)},
		}
		if v.Staging == nil && len(v.Disks) > 0 {
			r.Key = v.Disks[0].Key
		}
		if v.Staging != nil && v.Staging.Server != "" {
			r.Attributes[stagedAs] = behalf.ARN("drs", v.Region, v.Staging.Account, serverKind, "/", v.Staging.Server)
		}
		list = append(list, r)
	}
	return list
}
