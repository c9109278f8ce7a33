package ec2

// machine is what the sandbox knows of a type of instances.
type machine struct {
	name, architecture string
	cpus, threads      int32
	memory             int64 // MiB
	burst              bool
	network            string
	clock              float64 // GHz
}

// machines are types of instances with figures from AWS's pages. Others can be
// launched too, and are not described.
// See https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html.
func machines() []machine {
	return []machine{
		{"t2.micro", "x86_64", 1, 1, 1024, true, "Low to Moderate", 2.5},
		{"t3.nano", "x86_64", 2, 2, 512, true, "Up to 5 Gigabit", 2.5},
		{"t3.micro", "x86_64", 2, 2, 1024, true, "Up to 5 Gigabit", 2.5},
		{"t3.small", "x86_64", 2, 2, 2048, true, "Up to 5 Gigabit", 2.5},
		{"t3.medium", "x86_64", 2, 2, 4096, true, "Up to 5 Gigabit", 2.5},
		{"t3.large", "x86_64", 2, 2, 8192, true, "Up to 5 Gigabit", 2.5},
		{"t4g.nano", "arm64", 2, 1, 512, true, "Up to 5 Gigabit", 2.5},
		{"t4g.micro", "arm64", 2, 1, 1024, true, "Up to 5 Gigabit", 2.5},
		{"t4g.small", "arm64", 2, 1, 2048, true, "Up to 5 Gigabit", 2.5},
		{"m5.large", "x86_64", 2, 2, 8192, false, "Up to 10 Gigabit", 3.1},
		{"m5.xlarge", "x86_64", 4, 2, 16384, false, "Up to 10 Gigabit", 3.1},
		{"m6i.large", "x86_64", 2, 2, 8192, false, "Up to 12.5 Gigabit", 3.5},
		{"m6g.large", "arm64", 2, 1, 8192, false, "Up to 10 Gigabit", 2.5},
		{"m7g.large", "arm64", 2, 1, 8192, false, "Up to 12.5 Gigabit", 2.6},
		{"c5.large", "x86_64", 2, 2, 4096, false, "Up to 10 Gigabit", 3.4},
		{"c6i.large", "x86_64", 2, 2, 4096, false, "Up to 12.5 Gigabit", 3.5},
		{"r5.large", "x86_64", 2, 2, 16384, false, "Up to 10 Gigabit", 3.1},
		{"r6i.large", "x86_64", 2, 2, 16384, false, "Up to 12.5 Gigabit", 3.5},
	}
}

// knownType is a type by its name, or nil.
func knownType(name string) *machine {
	for _, m := range machines() {
		if m.name == name {
			return &m
		}
	}
	return nil
}
