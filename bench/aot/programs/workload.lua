-- Calls, closures, tables, strings, integers and floats; prints a checksum for each.

local function fibonacci(n)
    return n < 2 and n or fibonacci(n - 1) + fibonacci(n - 2)
end
print("calls", fibonacci(32))

local function queens(n)
    local columns, up, down, found = {}, {}, {}, 0
    local function place(row)
        if row > n then
            found = found + 1
            return
        end
        for column = 1, n do
            local a, b = row + column, row - column + n
            if not (columns[column] or up[a] or down[b]) then
                columns[column], up[a], down[b] = true, true, true
                place(row + 1)
                columns[column], up[a], down[b] = false, false, false
            end
        end
    end
    place(1)
    return found
end
print("closures", queens(9))

local function sieve(limit)
    local composite, count = {}, 0
    for i = 2, limit do
        if not composite[i] then
            count = count + 1
            for j = i * i, limit, i do
                composite[j] = true
            end
        end
    end
    return count
end
print("arrays", sieve(3000000))

local seed = 42
local function random()
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return seed
end
local numbers = {}
for i = 1, 300000 do
    numbers[i] = random()
end
table.sort(numbers)
print("sort", numbers[1], numbers[150000], numbers[300000])

local words, counts = {}, {}
for _ = 1, 100000 do
    words[#words + 1] = string.format("w%x", random() % 5000)
end
local text = table.concat(words, " ")
for word in text:gmatch("%w+") do
    counts[word] = (counts[word] or 0) + 1
end
local upper, changes = text:gsub("w(%x)", "<%1>")
print("strings", #text, counts.w1f, #upper, changes)

local Point = {}
Point.__index = Point
Point.__add = function(a, b)
    return setmetatable({x = a.x + b.x, y = a.y + b.y}, Point)
end
function Point:dot()
    return self.x * self.x + self.y * self.y
end
local sum, step = setmetatable({x = 0, y = 0}, Point), setmetatable({x = 1, y = 2}, Point)
for _ = 1, 1500000 do
    sum = sum + step
end
print("objects", sum:dot())

local function mandelbrot(size)
    local inside = 0
    for row = 0, size - 1 do
        for column = 0, size - 1 do
            local cx, cy = 2.0 * column / size - 1.5, 2.0 * row / size - 1.0
            local x, y, rounds = 0.0, 0.0, 0
            while rounds < 50 and x * x + y * y <= 4.0 do
                x, y = x * x - y * y + cx, 2.0 * x * y + cy
                rounds = rounds + 1
            end
            inside = inside + (rounds == 50 and 1 or 0)
        end
    end
    return inside
end
print("floats", mandelbrot(400))
