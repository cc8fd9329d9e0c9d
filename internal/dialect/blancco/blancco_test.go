package blancco_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/dialect/blancco"
	"github.com/claviger-dev/claviger/internal/web"
)

func TestNoPathOfBlanccoIsAnsweredAndRefusalsHaveItsForm(t *testing.T) {
	t.Parallel()
	v := blancco.Vendor()
	if len(v.Routes) > 0 || v.Cookie != nil || v.NamedTenant != nil {
		t.Errorf("the gateway answers %+v", v)
	}
	if body, ok := dialect.Body(v.Name, web.Failure{Detail: "No."}); !ok || string(body) != `{"message":"No."}`+"\n" {
		t.Errorf("a refusal is %s (%v)", body, ok)
	}
}
