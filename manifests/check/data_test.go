package check_test

import (
	"testing"
)

func TestConfigsAndSecretsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{manifest("Config", "data: {a/b: x}"), `data.a/b: "a/b": want a key`},
		{manifest("Config", "binaryData: {a: '%'}"), `binaryData.a: want base64, got "%"`},
		{manifest("Config", "data: {a: x}", "binaryData: {a: eA==}"), `binaryData.a: is in data already`},
		{manifest("Secret", "data: {a: hunter2!}"), `data.a: want base64`},
	})
}
