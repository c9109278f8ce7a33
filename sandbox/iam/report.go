package iam

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// reportAge is how long a credential report holds.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html.
const reportAge = 4 * time.Hour

// GenerateCredentialReport makes a report, which is there at once.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateCredentialReport.html.
func (s *Service) GenerateCredentialReport(ctx context.Context, _ *iam.GenerateCredentialReportInput) (*iam.GenerateCredentialReportOutput, error) {
	c := gate.From(ctx)
	if old := s.reports.Get(c.Caller.Account); old != nil && c.At.Sub(*old) < reportAge {
		return &iam.GenerateCredentialReportOutput{State: types.ReportStateTypeComplete}, nil
	}
	s.reports.Put(c.Caller.Account, new(second(c.At)))
	return &iam.GenerateCredentialReportOutput{State: types.ReportStateTypeStarted, Description: new("No report exists. Starting a new report generation task")}, nil
}

// GetCredentialReport returns the report: what is so now, since nothing of it is
// kept but its time.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetCredentialReport.html.
func (s *Service) GetCredentialReport(ctx context.Context, _ *iam.GetCredentialReportInput) (*iam.GetCredentialReportOutput, error) {
	c := gate.From(ctx)
	made := s.reports.Get(c.Caller.Account)
	switch {
	case made == nil:
		return nil, refuse("ReportNotPresent", "No report exists for the account.") // assumed text
	case c.At.Sub(*made) >= reportAge:
		return nil, refuse("ReportExpired", "The report is older than four hours.") // assumed text
	}
	return &iam.GetCredentialReportOutput{Content: []byte(s.report(c.Caller.Account)), GeneratedTime: made, ReportFormat: types.ReportFormatTypeTextCsv}, nil
}

const reportHead = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
	"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
	"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
	"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated"

func (s *Service) report(account string) string {
	root := []string{"<root_account>", arnOf(account, "root", "", ""), reportTime(s.AccountCreated(account)), "not_supported", "no_information", "not_supported", "not_supported"}
	rows := []string{reportHead, reportRow(root, nil)}
	for _, u := range s.users.All(state.Key(account, "")) {
		row := []string{u.Name, u.arn(), reportTime(u.Created), "false", "N/A", "N/A", "N/A"}
		if u.Login != nil {
			row = append(row[:3], "true", "no_information", reportTime(u.Login.Created), "N/A")
		}
		rows = append(rows, reportRow(row, s.keysOf(u)))
	}
	return strings.Join(rows, "\n")
}

// reportRow adds the columns of credentials: no MFA, two access keys, no
// certificates.
func reportRow(row []string, keys []*AccessKey) string {
	row = append(row, "false")
	for i := range maxAccessKeys {
		active, since := "false", "N/A"
		if i < len(keys) {
			active, since = strconv.FormatBool(!keys[i].Inactive), reportTime(keys[i].Created)
		}
		row = append(row, active, since, "N/A", "N/A", "N/A")
	}
	return strings.Join(append(row, "false", "N/A", "false", "N/A"), ",")
}

func reportTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }
