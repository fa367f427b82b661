// The parts of libc++ that most programs use, without exceptions; exact output.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

struct Square final : Shape {
    double side;
    explicit Square(double s) : side(s) {}
    double area() const override { return side * side; }
};

struct Circle final : Shape {
    double radius;
    explicit Circle(double r) : radius(r) {}
    double area() const override { return 3.25 * radius * radius; }
};

struct Logger {
    Logger() { std::cout << "constructed before main\n"; }
    ~Logger() { std::cout << "destroyed after main\n"; }
};

Logger logger;

} // namespace

int main(int argc, char **argv)
{
    std::vector<std::string> arguments(argv + 1, argv + argc);
    std::cout << "Hello, " << (arguments.empty() ? "nobody" : arguments[0]) << "!\n";

    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 1);
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937(42));
    std::sort(numbers.begin(), numbers.end(), std::greater<>());
    std::cout << numbers.front() << ' ' << numbers.back() << ' '
              << std::accumulate(numbers.begin(), numbers.end(), int64_t{0}) << '\n';

    std::map<std::string, int> counts;
    std::istringstream text("the quick fox and the lazy dog and the end");
    for (std::string word; text >> word;) {
        counts[word]++;
    }
    for (const auto &[word, count] : counts) {
        std::cout << word << '=' << count << ' ';
    }
    std::cout << '\n';

    std::unordered_map<int, std::vector<std::string>> by_length;
    for (const auto &[word, count] : counts) {
        by_length[static_cast<int>(word.size())].push_back(word);
    }
    std::cout << by_length.size() << ' ' << by_length.at(5).size() << '\n';

    std::vector<std::unique_ptr<Shape>> shapes;
    shapes.push_back(std::make_unique<Square>(2));
    shapes.push_back(std::make_unique<Circle>(2));
    for (const auto &shape : shapes) {
        std::cout << std::fixed << std::setprecision(2) << shape->area()
                  << (dynamic_cast<Square *>(shape.get()) ? " square\n" : " other\n");
    }

    std::variant<int, std::string> either = std::string("grüße");
    std::cout << std::visit([](const auto &v) {
        std::ostringstream out;
        out << v;
        return out.str();
    }, either) << ' ' << std::hex << std::setw(8) << std::setfill('0') << 48879 << std::dec << '\n';

    std::string line;
    std::getline(std::cin, line);
    std::reverse(line.begin(), line.end());
    std::cout << line << '\n';
    auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(1)) {
    }
    std::cerr << "to standard error\n";
    return 7;
}
