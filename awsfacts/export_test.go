package awsfacts

// KMSConditionKeyCount is for the test that pins the generated table.
func KMSConditionKeyCount() int { return len(kmsTable().ConditionKeys) }
