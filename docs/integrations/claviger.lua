-- Asks Claviger whether HAProxy may forward a request (HAProxy 2.5 or later). haproxy.cfg calls the
-- action lua.claviger, which sets the variable txn.claviger_allowed if the request is allowed.

local authz = "http://127.0.0.1:8080/api/v1/authz"
local timeout = 500 -- milliseconds for each attempt; HAProxy makes up to four

local identity = {
    "principal", "key-id", "owner-type", "owner", "external-id", "plan", "email", "tenant", "account",
    "scopes", "applications", "transport", "omitted",
}

-- The headers that carry a credential. Add the key header of your tenant, in lower case.
local credentials = { "authorization", "x-api-key" }

-- Headers of the client that say nothing about the check request.
local dropped = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
    ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
    ["upgrade"] = true, ["x-forwarded-for"] = true, ["x-original-method"] = true,
    ["x-original-uri"] = true,
}

-- What the client receives from a refused check.
local passed_on = {
    "www-authenticate", "retry-after", "content-type", "cache-control", "x-claviger-code", "x-request-id",
}

-- each calls a function with the values of a header. Lua starts at 1, HAProxy at 0.
local function each(values, call)
    for i = 0, #values do
        if values[i] ~= nil then
            call(values[i])
        end
    end
end

-- own_cookies are those of Claviger and of its gateway.
local own_cookies = {
    ["claviger"] = true, ["__Host-claviger"] = true,
    ["claviger-gateway"] = true, ["__Host-claviger-gateway"] = true,
}

-- other_cookies returns a Cookie header without the cookies of Claviger; nil if nothing is left.
local function other_cookies(value)
    local kept = {}
    for cookie in value:gmatch("[^;]+") do
        local name = cookie:match("^%s*([^=%s]*)")
        if not own_cookies[name] then
            kept[#kept + 1] = cookie:match("^%s*(.-)%s*$")
        end
    end
    if #kept == 0 then
        return nil
    end
    return table.concat(kept, "; ")
end

local function check(txn)
    local sent = txn.http:req_get_headers()
    local headers = {}
    for name, values in pairs(sent) do
        if not dropped[name] then
            local list = {}
            each(values, function(value) list[#list + 1] = value end)
            headers[name] = list
        end
    end
    headers["x-original-method"] = { txn.f:method() }
    headers["x-original-uri"] = { txn.f:pathq() }
    headers["x-forwarded-for"] = { txn.f:src() }

    local response = core.httpclient():get{ url = authz, headers = headers, timeout = timeout }
    if response == nil or response.status ~= 200 then
        local status = 503
        local reply = txn:reply()
        if response ~= nil and response.status >= 400 and response.status <= 599 then
            status = response.status
            for _, name in ipairs(passed_on) do
                each(response.headers[name] or {}, function(value) reply:add_header(name, value) end)
            end
            reply:set_body(response.body or "")
        end
        reply:set_status(status)
        txn:done(reply)
        return
    end

    for _, name in ipairs(identity) do
        local values = response.headers["x-claviger-" .. name]
        txn.http:req_set_header("x-claviger-" .. name, values and values[0] or "")
    end
    for _, name in ipairs(credentials) do
        txn.http:req_del_header(name)
    end
    if sent["cookie"] then
        txn.http:req_del_header("cookie")
        each(sent["cookie"], function(value)
            local kept = other_cookies(value)
            if kept then
                txn.http:req_add_header("cookie", kept)
            end
        end)
    end
    txn:set_var("txn.claviger_allowed", true)
end

core.register_action("claviger", { "http-req" }, check, 0)
