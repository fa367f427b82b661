-- What Lua's interpreter is made of, one line of output each.
print(_VERSION, #arg, arg[1], arg[2])

-- Errors: strings, tables, through coroutines and metamethods; long jumps inside.
print(pcall(error, "plain", 0))
print(select(2, pcall(error, {code = 7})).code)
print(pcall(function() local missing; return missing.field end))
print(xpcall(function() error("deep") end, function(message) return "handled: " .. message end))
local function nested(depth)
    if depth == 0 then error("bottom", 0) end
    local ok, message = pcall(nested, depth - 1)
    error(message .. "," .. depth, 0)
end
print(pcall(nested, 5))
print(pcall(string.rep, "x", -1), pcall(string.format, "%d", "x"))
local caught = 0
for i = 1, 20000 do
    if not pcall(error, i) then caught = caught + 1 end
end
print(caught)
print(select(2, pcall(function() local function f() return 1 + f() end return f() end)):match("stack overflow"))

-- Coroutines.
local function primes()
    return coroutine.wrap(function()
        local found = {}
        for n = 2, math.huge do
            local prime = true
            for _, p in ipairs(found) do
                if n % p == 0 then prime = false break end
            end
            if prime then found[#found + 1] = n coroutine.yield(n) end
        end
    end)
end
local line = {}
for p in primes() do
    line[#line + 1] = p
    if #line == 12 then break end
end
print(table.concat(line, " "))
print(coroutine.resume(coroutine.create(function() error("inside", 0) end)))
local closed = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() print("closed") end}) coroutine.yield() end)
coroutine.resume(closed)
print(coroutine.close(closed))

-- Numbers, strings, patterns, UTF-8.
print(7 // 2, -7 // 2, 7 % -3, 7 / 2, 2^53, 1e308 * 10, math.maxinteger + 1 == math.mininteger)
print(0x7fffffffffffffff, 3 | 12, ~0, 1 << 63, "10" + 5, 10 .. 20, math.tointeger(3.0))
print(string.format("%5.2f|%-6s|%q|%x|%g", 3.14159, "ab", 'a "b"\n', 255, 1e20))
print(("key = value; other=thing"):gsub("(%w+)%s*=%s*(%w+)", "%2=%1"))
print(utf8.len("grüße €"), utf8.char(8364, 65), #utf8.char(128512))
for position, code in utf8.codes("aß€") do io.write(position, ":", code, " ") end
print()

-- Tables, metatables, goto, sorting, the garbage collector.
local vector = setmetatable({}, {__index = function(_, key) return key * key end, __call = function(_, a) return a + 1 end})
print(vector[12], vector(41), #"abc", rawlen({1, 2, 3}), next({}))
local words = {"pear", "fig", "apple", "date"}
table.sort(words, function(a, b) return #a < #b or #a == #b and a < b end)
print(table.concat(words, ","), table.unpack({1, 2, 3}, 2))
for i = 1, 3 do
    if i == 2 then goto continue end
    io.write(i, " ")
    ::continue::
end
print()
local weak = setmetatable({}, {__mode = "k"})
for _ = 1, 100 do weak[{}] = true end
collectgarbage()
print(next(weak))

-- Files.
local file <const> = assert(io.open("/tmp/lines", "w"))
for i = 1, 1000 do file:write("line ", i, "\n") end
file:close()
local total = 0
for text in io.lines("/tmp/lines") do total = total + tonumber(text:match("%d+")) end
print(total, (select(2, io.open("/none"))))
print(os.remove("/tmp/lines"), os.getenv("NAME"), io.read("l"), io.read("n"))
os.exit(42)
