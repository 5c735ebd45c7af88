#!/usr/bin/env python3
"""cuda_lazy_stubs.py CUDARC_DIR LIB_DIR: writes archives libcuda.a, libcublas.a, … whose functions open the real library at
the first call, and return an error if there is none. For x86-64 Linux; called by cuda_home.sh."""
import re,sys,os,subprocess
src,out=sys.argv[1],sys.argv[2]
os.makedirs(out,exist_ok=True)
LIBS={ # -l name: (cudarc module, sonames, status returned when the library is absent)
 'cuda':('driver',['libcuda.so.1'],100),          # CUDA_ERROR_NO_DEVICE
 'cublas':('cublas',['libcublas.so.13','libcublas.so'],1),
 'cublasLt':('cublaslt',['libcublasLt.so.13','libcublasLt.so'],1),
 'curand':('curand',['libcurand.so.10','libcurand.so'],203),
 'nvrtc':('nvrtc',['libnvrtc.so.13','libnvrtc.so'],11),
 'cudnn':('cudnn',['libcudnn.so.9','libcudnn.so'],1001),
 'cudart':(None,[],0),
}
C=r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const char *const so_names[]={%(sos)s 0};
static const char *const sym[]={%(syms)s 0};
__attribute__((visibility("hidden"))) void *lazy_tab_%(l)s[%(n)d+1];
static int absent(void){return %(rc)d;}
static void *open_lib(void){
  void *h=0; char p[4096];
  const char *dirs=getenv("FACEVAULT_CUDA_LIBS");           /* colon-separated extra folders */
  for(int k=0;!h&&so_names[k];k++){
    for(const char *d=dirs;!h&&d&&*d;){ const char *e=strchrnul(d,':'); snprintf(p,sizeof p,"%%.*s/%%s",(int)(e-d),d,so_names[k]); h=dlopen(p,RTLD_NOW|RTLD_GLOBAL); d=*e?e+1:e; }
    if(!h) h=dlopen(so_names[k],RTLD_NOW|RTLD_GLOBAL);
  }
  return h?h:(void*)-1L;
}
__attribute__((visibility("hidden"))) void *lazy_resolve_%(l)s(long i){
  static void *lib; void *f=0;
  void *h=__atomic_load_n(&lib,__ATOMIC_ACQUIRE);
  if(!h){ h=open_lib(); __atomic_store_n(&lib,h,__ATOMIC_RELEASE); }
  if(h!=(void*)-1L) f=dlsym(h,sym[i]);
  if(!f) f=(void*)absent;
  __atomic_store_n(&lazy_tab_%(l)s[i],f,__ATOMIC_RELEASE);
  return f;
}
__asm__(".text\n.p2align 4\nlazy_slow_%(l)s:\n"
" push %%rax\n push %%rdi\n push %%rsi\n push %%rdx\n push %%rcx\n push %%r8\n push %%r9\n sub $128,%%rsp\n"
" movups %%xmm0,(%%rsp)\n movups %%xmm1,16(%%rsp)\n movups %%xmm2,32(%%rsp)\n movups %%xmm3,48(%%rsp)\n"
" movups %%xmm4,64(%%rsp)\n movups %%xmm5,80(%%rsp)\n movups %%xmm6,96(%%rsp)\n movups %%xmm7,112(%%rsp)\n"
" mov %%r11,%%rdi\n call lazy_resolve_%(l)s\n mov %%rax,%%r11\n"
" movups (%%rsp),%%xmm0\n movups 16(%%rsp),%%xmm1\n movups 32(%%rsp),%%xmm2\n movups 48(%%rsp),%%xmm3\n"
" movups 64(%%rsp),%%xmm4\n movups 80(%%rsp),%%xmm5\n movups 96(%%rsp),%%xmm6\n movups 112(%%rsp),%%xmm7\n"
" add $128,%%rsp\n pop %%r9\n pop %%r8\n pop %%rcx\n pop %%rdx\n pop %%rsi\n pop %%rdi\n pop %%rax\n jmp *%%r11\n");
'''
for l,(mod,sos,rc) in LIBS.items():
    syms=[]
    if mod:
        t=open(f'{src}/src/{mod}/sys/mod.rs').read()
        syms=sorted(set(re.findall(r'^pub unsafe fn ([a-zA-Z0-9_]+)\(',t,re.M))-{'culib','is_culib_present'})
    c=C%dict(l=l,n=len(syms),rc=rc,sos=''.join(f'"{s}",' for s in sos),syms=''.join(f'"{s}",' for s in syms))
    for i,s in enumerate(syms):
        c+=f'__asm__(".p2align 4\\n.globl {s}\\n.type {s},@function\\n{s}:\\n mov lazy_tab_{l}+{8*i}(%rip),%r11\\n test %r11,%r11\\n je 1f\\n jmp *%r11\\n1: mov ${i},%r11\\n jmp lazy_slow_{l}\\n");\n'
    f=f'{out}/lazy_{l}.c'; open(f,'w').write(c)
    o=f[:-2]+'.o'
    subprocess.check_call(['gcc','-O2','-fPIC','-c',f,'-o',o])
    a=f'{out}/lib{l}.a'
    if os.path.exists(a): os.remove(a)
    subprocess.check_call(['ar','rcs',a,o]); print(a,len(syms))
