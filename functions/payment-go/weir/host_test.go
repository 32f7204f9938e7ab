//go:build !wasip1

package weir

import "testing"

func TestATestSaysWhatIsConfigured(t *testing.T) {
	if _, found := Config("limit"); found {
		t.Error("nothing is configured yet")
	}
	Configure(map[string]string{"limit": "10000", "empty": ""})
	for key, wanted := range map[string]string{"limit": "10000", "empty": ""} {
		if value, found := Config(key); !found || value != wanted {
			t.Errorf("%s is %q, %v", key, value, found)
		}
	}
}
