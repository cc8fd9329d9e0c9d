package guide_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// mcpProgram is a client of the official SDK for JavaScript. It calls tools of a server by stdio
// and by HTTP, and prints the texts as JSON.
const mcpProgram = `
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { CLAVIGER, SERVER, KEY } = process.env;
const help = { name: "blazemeter_help", arguments: { action: "read_help_info", args: {
  category_id: "root_category", subcategory_id: "guide", help_id_list: ["api-authorization"] } } };
const env = { ...process.env, CLAVIGER_KEY: KEY };
const http = (headers) => new StreamableHTTPClientTransport(new URL(SERVER + "/mcp"), { requestInit: { headers } });
const result = {};
for (const [name, transport] of Object.entries({
  stdio: new StdioClientTransport({ command: CLAVIGER, args: ["mcp", "--server", SERVER], env }),
  anyone: http({}),
  key: http({ Authorization: "Bearer " + KEY }),
})) {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport);
  const tools = (await client.listTools()).tools.map((tool) => tool.name);
  const texts = [(await client.callTool(help)).content[0].text];
  if (tools.includes("whoami")) {
    texts.push((await client.callTool({ name: "whoami", arguments: {} })).content[0].text);
  }
  result[name] = { tools, texts };
  await client.close();
}
console.log(JSON.stringify(result));
`

func TestTheClientOfTheJavaScriptSDKUsesTheTools(t *testing.T) {
	binary := buildClaviger(t)
	s := startBinary(t, binary)
	key := s.newKey("An assistant", "applications:read")
	folder := t.TempDir()
	run(t, inFolder(folder, "npm", "install", "--no-audit", "--no-fund", "@modelcontextprotocol/sdk@1"))
	write(t, folder, "program.mjs", mcpProgram)
	cmd := inFolder(folder, "node", "program.mjs")
	cmd.Env = append(os.Environ(), "CLAVIGER="+binary, "SERVER="+s.sample.URL, "KEY="+key.value)
	var got map[string]struct{ Tools, Texts []string }
	must(t, json.Unmarshal([]byte(run(t, cmd)), &got))
	for name, tools := range map[string]string{
		"anyone": "blazemeter_help claviger_help",
		"key":    "blazemeter_help claviger_help whoami",
		"stdio":  "blazemeter_help claviger_help key_health list_keys usage whoami",
	} {
		slices.Sort(got[name].Tools)
		if found := strings.Join(got[name].Tools, " "); found != tools {
			t.Errorf("%s: the tools are %s", name, found)
		}
		if text := got[name].Texts[0]; !strings.Contains(text, "HTTP Basic") {
			t.Errorf("%s: the help is %s", name, text)
		}
		if name != "anyone" && !strings.Contains(got[name].Texts[1], key.keyID) {
			t.Errorf("%s: whoami is %s", name, got[name].Texts[1])
		}
		if strings.Contains(strings.Join(got[name].Texts, ""), key.secret) {
			t.Errorf("%s: an answer has the secret", name)
		}
	}
}
