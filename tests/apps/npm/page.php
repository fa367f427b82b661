<?php
$items = ['pear' => 3, 'apple' => 1.5, 'fig' => 12];
ksort($items);
foreach ($items as $name => $price) {
    printf("%-6s %6.2f %s\n", $name, $price, md5($name));
}
echo json_encode(array_map(fn($x) => $x ** 2, range(1, 5))), "\n";
echo preg_replace('/(\w+) (\w+)/', '$2 $1', 'hello world'), " ", $_GET['q'] ?? 'none', "\n";
