package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const deletedKeys = 64

// managementClient calls Claviger's management API as a signed-in person.
type managementClient struct {
	base    string
	cookies []*http.Cookie
	client  http.Client
}

type createdKey struct {
	Key struct {
		ID string `json:"id"`
	} `json:"key"`
	Credential struct {
		Value string `json:"value"`
	} `json:"credential"`
}

func signIn(ctx context.Context, dev devOutput) (*managementClient, error) {
	c := &managementClient{base: dev.URL, client: http.Client{Timeout: 30 * time.Second}}
	body := map[string]any{"email": dev.Email, "password": dev.Password}
	if err := c.call(ctx, http.MethodPost, "/api/v1/session", body, http.StatusCreated, nil); err != nil {
		return nil, err
	}
	if len(c.cookies) == 0 {
		return nil, fmt.Errorf("the response to the sign-in set no cookie")
	}
	return c, nil
}

// createDeleted creates keys and deletes each one before it creates the next, because the tenant
// limits how many keys a person holds. The ids of the returned keys have a valid tag, but no row.
func (c *managementClient) createDeleted(ctx context.Context, tenant string) ([]string, error) {
	values := make([]string, deletedKeys)
	for i := range values {
		path := "/api/v1/tenants/" + tenant + "/keys"
		created, err := c.createKey(ctx, path, fmt.Sprintf("bench %d", i+1))
		if err != nil {
			return nil, err
		}
		if err := c.call(ctx, http.MethodDelete, path+"/"+created.Key.ID, nil, http.StatusNoContent, nil); err != nil {
			return nil, err
		}
		values[i] = created.Credential.Value
		if err := checkToken(values[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// createKey creates a key. The path is that of the keys of a tenant.
func (c *managementClient) createKey(ctx context.Context, path, name string) (created createdKey, err error) {
	spec := map[string]any{"name": name, "scopes": []string{"applications:read"}, "all_applications": true}
	err = c.call(ctx, http.MethodPost, path, spec, http.StatusCreated, &created)
	return created, err
}

func (c *managementClient) call(ctx context.Context, method, path string, body any, want int, into any) error {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: status %s, want %d: %.300s", method, path, resp.Status, want, text)
	}
	c.cookies = append(c.cookies, resp.Cookies()...)
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func (c *managementClient) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, cookie := range c.cookies {
		req.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	return req, nil
}
