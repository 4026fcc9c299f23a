// SPDX-License-Identifier: Apache-2.0
// Who called whom while profiling, from the stack pointer alone.
//
// Modelled: a function is entered when the PC arrives in another function; it is left when SP rises above
//   where it was at entry. So calls, returns, tail calls and interrupts are told apart without decoding.
// Not modelled: recursion of a function into itself (one frame), coroutines and switches of the stack (frames
//   that never return are dropped at the next return below them).
#pragma once

#include "counters.h"
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace sw {

struct CallGraph {
    struct Node {
        int parent;
        uint16_t slot;
        Counters counters;
    };
    struct Frame {
        int node;
        uint32_t sp; // at entry
    };
    std::vector<Node> nodes;
    std::vector<Frame> stack;
    std::map<std::pair<int, uint16_t>, int> children;

    int node() const { return stack.empty() ? -1 : stack.back().node; }

    void arrive(uint16_t slot, uint32_t sp) {
        constexpr size_t kDeepest = 256;
        while (stack.size() > 1 && sp > stack.back().sp) stack.pop_back(); // returned
        if (!stack.empty() && nodes[static_cast<size_t>(stack.back().node)].slot == slot) return;
        if (stack.size() > 1 && sp == stack.back().sp) stack.pop_back(); // tail call
        if (stack.size() >= kDeepest) stack.resize(1);
        stack.push_back({child(node(), slot), sp});
    }

    void add(const Counters &spent) {
        if (!stack.empty()) accumulate(nodes[static_cast<size_t>(stack.back().node)].counters, spent);
    }

  private:
    int child(int parent, uint16_t slot) {
        auto [at, made] = children.insert({{parent, slot}, static_cast<int>(nodes.size())});
        if (made) nodes.push_back({parent, slot, Counters{}});
        return at->second;
    }
};

} // namespace sw
