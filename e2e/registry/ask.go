package registry

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
)

// ask sends the registry a request without any network.
func (r *Registry) ask(method, path, mediaType string, body []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, bytes.NewReader(body))
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request)
	return answer
}

// split parts repository:tag.
func split(name string) (repository, tag string, err error) {
	repository, tag, ok := strings.Cut(name, ":")
	if !ok || repository == "" || tag == "" {
		return "", "", fmt.Errorf("registry: %q is not repository:tag", name)
	}
	return repository, tag, nil
}
