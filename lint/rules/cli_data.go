package rules

// What the CLI has of its own, beside what its commands take from the APIs.

// cliGlobals are the options that every command takes, those of version 2
// included, and those of paginated operations. See
// docs.aws.amazon.com/cli/latest/reference/#global-options and
// docs.aws.amazon.com/cli/latest/userguide/cli-usage-pagination.html.
func cliGlobals() []string {
	return []string{
		"--debug", "--endpoint-url", "--no-verify-ssl", "--no-paginate", "--output", "--query", "--profile", "--region",
		"--version", "--color", "--no-sign-request", "--ca-bundle", "--cli-read-timeout", "--cli-connect-timeout",
		"--cli-binary-format", "--no-cli-pager", "--cli-auto-prompt", "--no-cli-auto-prompt", "--cli-error-format",
		"--v2-debug", "--help",
		"--cli-input-json", "--cli-input-yaml", "--generate-cli-skeleton", "--starting-token", "--page-size", "--max-items",
	}
}

// cliAdds are the options that the CLI gives single commands besides; see the
// page of each at docs.aws.amazon.com/cli/latest/reference/.
func cliAdds() map[string][]string {
	return map[string][]string{
		"ec2 create-image": {"--reboot"},
		"ec2 modify-instance-attribute": {
			"--no-source-dest-check", "--no-disable-api-stop", "--no-disable-api-termination", "--no-ebs-optimized", "--no-ena-support",
		},
		"ec2 modify-volume-attribute": {"--no-auto-enable-io"},
		"ec2 run-instances": {
			"--enable-api-termination", "--count", "--secondary-private-ip-addresses", "--secondary-private-ip-address-count",
			"--associate-public-ip-address", "--no-associate-public-ip-address",
		},
		"ec2 authorize-security-group-ingress":                {"--protocol", "--port", "--cidr", "--source-group", "--group-owner"},
		"ec2 authorize-security-group-egress":                 {"--protocol", "--port", "--cidr", "--source-group", "--group-owner"},
		"ec2 revoke-security-group-ingress":                   {"--protocol", "--port", "--cidr", "--source-group", "--group-owner"},
		"ec2 revoke-security-group-egress":                    {"--protocol", "--port", "--cidr", "--source-group", "--group-owner"},
		"iam create-virtual-mfa-device":                       {"--outfile", "--bootstrap-method"},
		"iam enable-mfa-device":                               {"--authentication-code-1", "--authentication-code-2"},
		"iam resync-mfa-device":                               {"--authentication-code-1", "--authentication-code-2"},
		"rds copy-db-cluster-snapshot":                        {"--source-region"},
		"rds copy-db-snapshot":                                {"--source-region"},
		"rds create-db-cluster":                               {"--source-region"},
		"rds create-db-instance-read-replica":                 {"--source-region"},
		"rds start-db-instance-automated-backups-replication": {"--source-region"},
	}
}

// cliOwn are the commands of services that stand for no operation of the API,
// or for one under another name.
func cliOwn(service, operation string) bool {
	switch service {
	case "rds":
		return operation == "add-option-to-option-group" || operation == "remove-option-from-option-group" || operation == "generate-db-auth-token"
	case "cloudtrail":
		return operation == "create-subscription" || operation == "update-subscription" || operation == "validate-logs" || operation == "verify-query-results"
	case "s3api":
		return operation == "get-bucket-lifecycle" || operation == "put-bucket-lifecycle" ||
			operation == "get-bucket-notification" || operation == "put-bucket-notification"
	}
	return operation == "wizard" || operation == "help"
}

// cliFills are the required members that the CLI fills in or takes in another
// form.
func cliFills(service, operation, option string) bool {
	switch service + " " + operation {
	case "ec2 run-instances":
		return option == "--min-count" || option == "--max-count"
	case "iam enable-mfa-device", "iam resync-mfa-device":
		return option == "--authentication-code1" || option == "--authentication-code2"
	case "ec2 modify-volume-attribute":
		return option == "--auto-enable-io"
	}
	return option == "--client-token"
}

// cliWaiters are what aws SERVICE wait can wait for.
func cliWaiters(service string) []string {
	switch service {
	case "ec2":
		return []string{
			"bundle-task-complete", "conversion-task-cancelled", "conversion-task-completed", "conversion-task-deleted",
			"customer-gateway-available", "export-task-cancelled", "export-task-completed", "image-available", "image-exists",
			"image-usage-report-available", "instance-exists", "instance-running", "instance-status-ok", "instance-stopped",
			"instance-terminated", "internet-gateway-exists", "key-pair-exists", "nat-gateway-available", "nat-gateway-deleted",
			"network-interface-available", "password-data-available", "secondary-network-create-complete",
			"secondary-network-delete-complete", "secondary-subnet-create-complete", "secondary-subnet-delete-complete",
			"security-group-exists", "security-group-vpc-association-associated", "security-group-vpc-association-disassociated",
			"snapshot-completed", "snapshot-imported", "spot-instance-request-fulfilled", "store-image-task-complete",
			"subnet-available", "system-status-ok", "volume-available", "volume-deleted", "volume-in-use", "vpc-available",
			"vpc-exists", "vpc-peering-connection-deleted", "vpc-peering-connection-exists", "vpn-connection-available",
			"vpn-connection-deleted",
		}
	case "iam":
		return []string{"instance-profile-exists", "policy-exists", "role-exists", "user-exists"}
	case "rds":
		return []string{
			"db-cluster-available", "db-cluster-deleted", "db-cluster-snapshot-available", "db-cluster-snapshot-deleted",
			"db-instance-available", "db-instance-deleted", "db-snapshot-available", "db-snapshot-completed",
			"db-snapshot-deleted", "tenant-database-available", "tenant-database-deleted",
		}
	case "s3api":
		return []string{"bucket-exists", "bucket-not-exists", "object-exists", "object-not-exists"}
	case "ssm":
		return []string{"command-executed"}
	}
	return nil
}
