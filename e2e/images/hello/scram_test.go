package main

import "testing"

func TestProofIsThatOfRFC7677(t *testing.T) {
	const nonce = `rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`
	s := &scram{password: "pencil", bare: "n=user,r=rOprNGfwEbeRWgbNEkqO"}
	got, err := s.last("r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
	if err != nil {
		t.Fatal(err)
	}
	want := "c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
