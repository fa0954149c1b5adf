# Gives V8 and malloc memory in huge pages (build/large_pages.ts puts this into Deno). A start
# touches 9 MB page by page: 2,200 page faults, a handful when the pages are of 2 MiB.
#   table: the data's address, the program's first constructor (both written by large_pages.ts)
#   data:  malloc, mmap, munmap (filled in by the dynamic loader), then base, next, end of the area
# V8 keeps its heap in pages of 256 KiB that lie on multiples of 256 KiB. For each it maps
# 2 * 256 KiB - 4 KiB and gives back what it does not need, here always the last 252 KiB. Such
# mappings come out of one area; any other call goes on to the C library.
# Entry points: 0 initialise, 8 map, 16 unmap.
        .intel_syntax noprefix
        .set    AREA, 32 << 20
        .set    HUGE, 2 << 20
        .set    HEAP_PAGE, 256 << 10
        .set    TAIL, HEAP_PAGE - 4096
        .text
        jmp     initialise
        .balign 8
        jmp     map
        .balign 8
        jmp     unmap
        .balign 8

# In place of the program's first constructor, before there are threads. Failures leave things as
# they would be without.
initialise:
        push    rdi
        push    rsi
        push    rdx
        push    rbx
        push    r12
        mov     rbx, [rip + table]
        xor     edi, edi                # brk(0), then brk(the next multiple of 2 MiB)
        mov     eax, 12
        syscall
        lea     rdi, [rax + HUGE - 1]
        and     rdi, -HUGE
        mov     eax, 12
        syscall
        mov     edi, 24                 # malloc begins its heap there, of GLIBC_TUNABLES' top_pad
        call    [rbx]
        mov     r12, rax
        and     r12, -4096
        jz      1f
        xor     edi, edi                # brk(0): its end
        mov     eax, 12
        syscall
        mov     rsi, rax
        sub     rsi, r12
        jbe     1f                      # not there but mapped
        mov     rdi, r12
        mov     edx, 14                 # madvise(heap, size, MADV_HUGEPAGE)
        mov     eax, 28
        syscall
1:      xor     edi, edi                # mmap(0, size, read and write, private anonymous noreserve)
        mov     esi, AREA + HUGE
        mov     edx, 3
        mov     r10d, 0x4022
        mov     r8, -1
        xor     r9d, r9d
        mov     eax, 9
        syscall
        cmp     rax, -4095
        jae     2f
        lea     r12, [rax + HUGE - 1]
        and     r12, -HUGE
        mov     rdi, r12
        mov     esi, AREA
        mov     edx, 14                 # MADV_HUGEPAGE; a kernel without refuses it
        mov     eax, 28
        syscall
        test    eax, eax
        jnz     2f
        mov     edx, 10                 # MADV_DONTFORK, which V8 asks for later: then nothing is split
        mov     eax, 28
        syscall
        mov     [rbx + 24], r12
        mov     [rbx + 32], r12
        add     r12, AREA
        mov     [rbx + 40], r12
2:      pop     r12
        pop     rbx
        pop     rdx
        pop     rsi
        pop     rdi
        jmp     [rip + table + 8]

# mmap(rdi address, rsi size, edx protection, ecx flags, r8d descriptor, r9 offset)
map:    mov     r11, [rip + table]
        cmp     rsi, HEAP_PAGE + TAIL
        jne     4f
        cmp     edx, 3                  # read and write
        jne     4f
        mov     eax, ecx
        and     eax, 0x33               # shared, private, fixed, anonymous
        cmp     eax, 0x22
        jne     4f
3:      mov     rax, [r11 + 32]
        lea     r10, [rax + HEAP_PAGE + TAIL]
        cmp     r10, [r11 + 40]
        ja      4f
        lea     r10, [rax + HEAP_PAGE]
        lock cmpxchg [r11 + 32], r10
        jne     3b
        ret
4:      jmp     [r11 + 8]

# munmap(rdi address, rsi size)
unmap:  mov     r11, [rip + table]
        cmp     rsi, TAIL
        jne     5f
        test    edi, HEAP_PAGE - 1
        jnz     5f
        cmp     rdi, [r11 + 24]
        jb      5f
        cmp     rdi, [r11 + 40]
        jae     5f
        xor     eax, eax                # it is the start of the next heap page
        ret
5:      jmp     [r11 + 16]
        .balign 8
table:
