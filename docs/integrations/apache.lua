-- Part of apache.conf. The page apache.md explains it.

require 'apache2'

-- names returns the names of the request's headers.
local function names(r)
    local all = {}
    for name in pairs(r:headers_in_table()) do
        all[#all + 1] = name
    end
    return all
end

-- remove_forged removes headers whose names begin with X-Claviger- or OIDC-, also with underscores.
local function remove_forged(r)
    for _, name in ipairs(names(r)) do
        local plain = name:lower():gsub('_', '-')
        if plain:find('^x%-claviger%-') or plain:find('^oidc%-') then
            r.headers_in[name] = nil
        end
    end
end

-- check runs after Apache has asked Claviger and before it sets the headers for the API.
-- mod_auth_openidc accepts OPTIONS without a token, so that check must refuse it.
function check(r)
    if not r.subprocess_env['OIDC_CLAIM_sub'] then
        return 401
    end
    remove_forged(r)
    -- Apache removes the headers that Connection names. Those of Claviger must not be among them.
    r.headers_in['Connection'] = r.headers_in['Upgrade'] and 'Upgrade' or nil
    return apache2.OK
end
